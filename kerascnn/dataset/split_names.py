"""Recognizes the usual names of splits.

Knows: names. Does not know the contents of folders.
"""

from __future__ import annotations

import re
import unicodedata

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
    **dict.fromkeys(("학습", "훈련"), "train"),
    "검증": "val",
    **dict.fromkeys(("시험", "테스트", "평가"), "test"),
}
"""Splits by the full name of a folder."""

_WORDS = {**SPLIT_FOLDERS, "dev": "val", "eval": "test", "evaluation": "test", "holdout": "test"}

_WORD = re.compile(rf"({'|'.join(_WORDS)})(?:set|data|split|images?|imgs?|folder)?")


def split_folder(name: str) -> str | None:
    """Return the split that the full name of a folder means; None for other names."""
    return SPLIT_FOLDERS.get(unicodedata.normalize("NFC", name).lower())


def split_of(name: str) -> str | None:
    """Return the split in ``training_set``, ``seg_test`` or ``Train2017``; None if none or two.

    Examples:
        >>> [split_of(name) for name in ("seg_train", "TestSet", "contest", "train-or-test")]
        ['train', 'test', None, None]
    """
    if split := split_folder(name):
        return split
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    whole = re.split(r"[^a-z]+", name.lower())
    found = {
        _WORDS[match[1]]
        for word in (*(word.lower() for word in words), *whole)
        if (match := _WORD.fullmatch(word))
    }
    return found.pop() if len(found) == 1 else None


def besides_split(name: str) -> tuple[str, ...]:
    """Return the words of a name that do not stand for a split."""
    words = re.split(r"[^a-z]+", name.lower())
    return tuple(word for word in words if word and not _WORD.fullmatch(word))
