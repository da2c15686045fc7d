"""Finds the pictures, labels and class names among the arrays of an archive by their names.

Knows: usual names, with the word for a split before or after. Does not know what the arrays hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kerascnn.dataset.split_names import besides_split, split_of

_ROLES = {
    **dict.fromkeys(("x", "images", "image", "imgs", "data", "pictures", "features"), "pictures"),
    **dict.fromkeys(("y", "labels", "label", "targets", "target"), "labels"),
}
"""What an array holds, by the word in its name beside the split."""

_CLASSES = ("classes", "class_names", "label_names", "target_names")


@dataclass
class Names:
    """The names of the arrays that are read, and of the others.

    Attributes:
        pairs: By split, the names of the arrays of pictures and of labels.
        halves: Names of arrays of pictures without labels or the reverse, and what is missing.
        classes: Name of the array of class names; None if there is none.
    """

    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    halves: list[tuple[str, str]] = field(default_factory=list)
    classes: str | None = None
    others: list[str] = field(default_factory=list)


def arrays_by_name(names: Iterable[str]) -> Names:
    """Sort names into those that are read and others; of two for the same, the first is read.

    Examples:
        >>> arrays_by_name(["X_train", "y_train", "valid_images", "valid_labels", "ids"]).pairs
        {'train': ('X_train', 'y_train'), 'val': ('valid_images', 'valid_labels')}
    """
    found: dict[tuple[str, str], str] = {}
    read = Names()
    for name in names:
        if name.lower() in _CLASSES and read.classes is None:
            read.classes = name
        elif (key := _split_and_role(name)) is None or found.setdefault(key, name) != name:
            read.others.append(name)
    for split in ("train", "val", "test"):
        pictures, labels = found.get((split, "pictures")), found.get((split, "labels"))
        if pictures and labels:
            read.pairs[split] = (pictures, labels)
        elif half := pictures or labels:
            read.halves.append((half, "labels" if pictures else "pictures"))
    return read


def _split_and_role(name: str) -> tuple[str, str] | None:
    name = re.sub("(?<=[a-z])(?=[A-Z])", "_", name)  # trainX
    words, rest = re.findall("[a-z]+", name.lower()), besides_split(name)
    split = split_of(name) if len(rest) < len(words) else "train"
    return (split, _ROLES[rest[0]]) if split and len(rest) == 1 and rest[0] in _ROLES else None
