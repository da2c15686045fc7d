"""Which folders are splits and which are classes.

Knows: what people call their splits, and that folders which hold the same sub-folders are not
classes. Does not know pictures.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from kerascnn.dataset.faults import FaultHandler
from kerascnn.dataset.walk import Walk
from kerascnn.dataset.wrappers import DATE, inside_wrapper

log = logging.getLogger(__name__)

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names that are splits by themselves."""

_WORDS = {**SPLIT_FOLDERS, "dev": "val", "eval": "test", "evaluation": "test", "holdout": "test"}

_WORD = re.compile(rf"({'|'.join(_WORDS)})(?:set|data|split|images?|imgs?|folder)?")

_UNLABELLED = re.compile(
    r"pred|predict|prediction|predictions|unlabell?ed|unsup|submission|inference"
)
"""Words in names of folders whose pictures have no class."""

_FEW = 20
"""Folders, more than which are no splits."""


def find_splits(
    root: Path, walk: Walk, faults: FaultHandler, known: Collection[str] = ()
) -> dict[str, Path]:
    """Find the folders of the splits.

    Args:
        root: The data set.
        walk: Told what is passed over.
        faults: Told of folders that may be splits or classes.
        known: Classes of a model.

    Returns:
        By split, the folder that holds its class folders; ``train`` alone, which is ``root`` or
        what it wraps, where that holds the classes itself.
    """
    place = root
    while (splits := _splits(place, walk, faults)) is None:
        inner = _inner(place, faults, known)
        if inner is None:
            _ask_if_alike(place, faults)
            splits = {"train": place}
            break
        place = inner
    _tell_wrapper(root, place)
    found = {"train": _innermost(splits["train"], faults, known)}
    classes = known or _names(found["train"])
    for name in (name for name in splits if name != "train"):
        found[name] = _innermost(splits[name], faults, classes)
    return found


def _splits(root: Path, walk: Walk, faults: FaultHandler) -> dict[str, Path] | None:
    """Find folders that are splits by their names; None: there are none."""
    all_folders = walk.folders(root)
    flat = _flat_tests(all_folders, walk)
    walk.unlabelled |= dict.fromkeys(flat)
    folders = [folder for folder in all_folders if folder not in flat]
    exact = _by_split(folders, lambda name: SPLIT_FOLDERS.get(name.lower()), faults, root)
    if "train" in exact and len(exact) == len(folders):
        return exact
    inside = {folder: _names(_unwrapped(folder)) for folder in folders}
    nested = [folder for folder in folders if inside[folder]]
    named = _by_split(nested, _split_of, faults, root)
    others = [folder for folder in folders if folder not in named.values()]
    alike = _shared([inside[folder] for folder in named.values()])
    if "train" in named and (alike or flat or (len(folders) == 1 and len(inside[folders[0]]) > 1)):
        _leave_out(root, named, others, walk, faults)
        return named
    if "train" in exact and len(exact) > 1:
        # A class may be called "test", but hardly one "train" and another "val".
        _leave_out(root, exact, [f for f in folders if f not in exact.values()], walk, faults)
        return exact
    return None


def _flat_tests(folders: Sequence[Path], walk: Walk) -> list[Path]:
    """Find test folders that hold pictures and no classes, as competitions have them."""
    trains = {
        _besides_split(folder.name)
        for folder in folders
        if _split_of(folder.name) == "train" and len(_names(_unwrapped(folder))) > 1
    }
    return [
        folder
        for folder in folders
        if _split_of(folder.name) == "test"
        and _besides_split(folder.name) in trains
        and not _names(inside := _unwrapped(folder))
        and walk.loose(inside)
    ]


def _inner(folder: Path, faults: FaultHandler, known: Collection[str]) -> Path | None:
    """Find the folder that all pictures are in, if that is no class."""
    folders = Walk().folders(folder)
    inner = inside_wrapper(folders, known)
    if inner is not None and len(folders) > 1:
        empty = ", ".join(sub.name for sub in folders if sub != inner)
        faults.error(
            f"{folder}: only {inner.name} holds pictures, and {empty} none. Give {inner} if its "
            f"folders are the classes or splits; if {inner.name} is a class, add pictures to the "
            "others."
        )
    return inner


def _innermost(folder: Path, faults: FaultHandler, known: Collection[str]) -> Path:
    """Go into ``train/train/`` and ``train/images/``, as archives have them."""
    inner = reached = _unwrapped(folder)
    while (further := _inner(reached, faults, known)) is not None:
        reached = further
    _tell_wrapper(inner, reached)
    return reached


def _tell_wrapper(given: Path, read: Path) -> None:
    if read != given:
        log.warning("%s: all pictures are in one folder inside it, so %s is read.", given, read)


def _split_of(name: str) -> str | None:
    """Read ``training_set``, ``seg_test`` or ``Train2017``; None: no split, or two at once.

    Examples:
        >>> [_split_of(name) for name in ("seg_train", "TestSet", "contest", "train-or-test")]
        ['train', 'test', None, None]
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    whole = re.split(r"[^a-z]+", name.lower())
    found = {
        _WORDS[match[1]]
        for word in (*(word.lower() for word in words), *whole)
        if (match := _WORD.fullmatch(word))
    }
    return found.pop() if len(found) == 1 else None


def _besides_split(name: str) -> tuple[str, ...]:
    """Return the other words of a split's name."""
    words = re.split(r"[^a-z]+", name.lower())
    return tuple(word for word in words if not _WORD.fullmatch(word))


def _by_split(
    folders: Sequence[Path], split_of: Callable[[str], str | None], faults: FaultHandler, root: Path
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        split = split_of(folder.name)
        if split in found:
            faults.error(
                f"{root}: {found[split].name} and {folder.name} are both split {split}. Expected "
                "one folder per split: join them, or rename one."
            )
        elif split:
            found[split] = folder
    return found


def _unwrapped(folder: Path) -> Path:
    """Go into ``train/train/``, as some archives have it."""
    inside = Walk().folders(folder)
    while len(inside) == 1 and inside[0].name.lower() == folder.name.lower():
        folder = inside[0]
        inside = Walk().folders(folder)
    return folder


def _names(folder: Path) -> frozenset[str]:
    return frozenset(unicodedata.normalize("NFC", sub.name) for sub in Walk().folders(folder))


def _shared(names: Sequence[frozenset[str]]) -> bool:
    shared = [one & other for one, other in combinations(names, 2)]
    return any(not DATE.fullmatch(name) for same in shared for name in same)


def _leave_out(
    root: Path, splits: dict[str, Path], others: Sequence[Path], walk: Walk, faults: FaultHandler
) -> None:
    """Skip folders that are named as unlabelled; refuse others."""
    words = {folder: re.split(r"[^a-z]+", folder.name.lower()) for folder in others}
    without = [f for f in others if any(_UNLABELLED.fullmatch(word) for word in words[f])]
    walk.unlabelled |= dict.fromkeys(without)
    unknown = sorted(folder.name for folder in others if folder not in without)
    if unknown:
        faults.error(
            f"{root}: holds {', '.join(sorted(folder.name for folder in splits.values()))} and "
            f"also {', '.join(unknown)}. Expected either splits or class folders, not both: move "
            "the others away."
        )


def _ask_if_alike(root: Path, faults: FaultHandler) -> None:
    """Ask where folders hold the same sub-folders: their names may be the classes."""
    inside = {folder: _names(_unwrapped(folder)) for folder in Walk().folders(root)}
    beside = _names(root)
    for folder, names in inside.items():
        same = sorted(names & beside)
        if len(same) > 1 and 2 * len(same) >= len(names):
            faults.error(
                f"{root}: {folder.name} holds sub-folders called as those beside it "
                f"({_some(same)}), so it looks like a second copy of the data and not like a "
                "class. Move it away, or list the pictures in a .csv file."
            )
            return
    for one, other in _candidates({f: names for f, names in inside.items() if len(names) > 1}):
        same = sorted(inside[one] & inside[other])
        mostly = len(same) > 1 and 2 * len(same) >= max(len(inside[one]), len(inside[other]))
        if mostly and not all(DATE.fullmatch(name) for name in same):
            faults.error(f"{root}: {_advice(one.name, other.name, same)}")
            return


def _advice(one: str, other: str, same: list[str]) -> str:
    """Say what to do with two folders that hold the same sub-folders."""
    both = f"{one} and {other} hold the same sub-folders ({_some(same)})"
    if all(map(_split_of, same)):
        return (
            f"{both}, which are splits. Expected the split first and the class in it: move them to "
            f"{same[0]}/{one}, {same[0]}/{other} and so on, or list the pictures in a .csv file "
            "with the columns path, label and split."
        )
    return (
        f"{both}. If those are the classes, call the folders around them train, val and test; if "
        "not, give them other names, or list the pictures in a .csv file."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if names[4:] else "")


def _candidates(inside: Mapping[Path, frozenset[str]]) -> list[tuple[Path, Path]]:
    """Give the pairs to compare: all of a few folders; of many, those that hold quite the same."""
    if len(inside) <= _FEW:
        return list(combinations(inside, 2))
    counts = Counter(inside.values())
    first: dict[frozenset[str], Path] = {}
    return [
        (first[names], folder)
        for folder, names in inside.items()
        if counts[names] > 1 and first.setdefault(names, folder) is not folder
    ]
