"""Finds folders that are probably not classes: copies, data sets, pictures with annotations.

Knows: the names and contents of sibling folders. Does not know pictures, or which folders are
splits (:mod:`kerascnn.dataset.layout`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import combinations
from pathlib import Path

from kerascnn.dataset.faults import FaultHandler
from kerascnn.dataset.split_names import besides_split, split_folder, split_of
from kerascnn.dataset.walk import Walk
from kerascnn.dataset.wrappers import DATE
from kerascnn.printable import first_few

_FEW = 20
"""Number of folders up to which all pairs are compared; more are probably classes, not splits."""

_PICTURES = {"image", "images", "img", "imgs", "jpegimages", "jpg", "picture", "pictures", "photos",
             "원천데이터"}  # fmt: skip

ANNOTATIONS = {
    *("annotation", "annotations", "label", "labels", "mask", "masks", "trimaps", "xmls"),
    *("imagesets", "segmentationclass", "segmentationobject", "라벨링데이터", "segmentation"),
    *("segmentations", "groundtruth", "ground_truth", "gt", "bboxes"),
}
"""Folders of annotations in data sets for detection and segmentation."""


def unwrapped(folder: Path, walk: Walk) -> Path:
    """Descend into ``train/train/``, which some archives contain."""
    inside = walk.folders(folder)
    while len(inside) == 1 and inside[0].name.lower() == folder.name.lower():
        folder = inside[0]
        inside = walk.folders(folder)
    return folder


def pictures_in(split: Path, walk: Walk) -> Path:
    """Descend into ``val/images/`` as well, if only pictures without classes are in it."""
    folder = unwrapped(split, walk)
    inside = walk.folders(folder)
    if len(inside) != 1 or inside[0].name.lower() not in _PICTURES or walk.folders(inside[0]):
        return folder
    return inside[0]


def names_in(folder: Path, walk: Walk) -> frozenset[str]:
    """Return the names of the folders in a folder, in NFC."""
    return frozenset(unicodedata.normalize("NFC", sub.name) for sub in walk.folders(folder))


def check_classes(root: Path, known: Collection[str], walk: Walk, faults: FaultHandler) -> None:
    """Report the first reason why sibling folders are probably not classes."""
    inside = _inside(root, walk)
    reasons = (
        _annotated(inside, walk),
        _annotated_classes(inside, walk),
        _repeated(names_in(root, walk), inside),
        _alike(inside),
        _divided(inside),
        _suffixed(inside),
    )
    if reason := next(filter(None, reasons), None):
        faults.error(f"{root}: {reason}")
        return
    like_splits = [f.name for f in inside if split_folder(f.name) and f.name not in known]
    if like_splits:
        faults.notice(
            f"{root}: {first_few(like_splits)} is read as a class, like the others next to it"
        )


def check_annotations(root: Path, walk: Walk, faults: FaultHandler) -> None:
    """Report annotations among the folders of a split."""
    inside = _inside(root, walk)
    if reason := _annotated(inside, walk) or _annotated_classes(inside, walk):
        faults.error(f"{root}: {reason}")


def _inside(root: Path, walk: Walk) -> dict[Path, frozenset[str]]:
    return {folder: names_in(unwrapped(folder, walk), walk) for folder in walk.folders(root)}


def _annotated(inside: Mapping[Path, frozenset[str]], walk: Walk) -> str | None:
    """Find pictures with annotations in sibling folders."""
    names = {folder.name.lower(): folder for folder in inside}
    pictures = [folder for name, folder in names.items() if name in _PICTURES]
    others = [folder for name, folder in names.items() if name not in _PICTURES | ANNOTATIONS]
    annotated = pictures and not ANNOTATIONS.isdisjoint(names)
    if annotated and not any(next(walk.pictures(other), None) for other in others):
        below = inside[pictures[0]]
        sorted_already = len(below) > 1 and not all(map(split_of, below))
        return (
            f"{first_few(sorted(folder.name for folder in inside))} are pictures and their "
            "annotations, as for detection or segmentation, not classes. "
        ) + (
            f"Give {pictures[0]} if its folders are the classes."
            if sorted_already
            else "Expected one folder per class: sort the pictures into such folders, or list them "
            "in a .csv file with the columns path and label."
        )
    return None


def _annotated_classes(inside: Mapping[Path, frozenset[str]], walk: Walk) -> str | None:
    """Find pictures with annotations inside class folders."""
    for folder, below in inside.items():
        if {name.lower() for name in below} & _PICTURES:
            drawn = [name for name in below if name.lower() in ANNOTATIONS]
            if any(next(walk.pictures(unwrapped(folder, walk) / name), None) for name in drawn):
                return (
                    f"{folder.name} holds pictures and their annotations "
                    f"({first_few(sorted(drawn))}), and both would be read as pictures of the "
                    "class. Move the annotations away, or list the pictures in a .csv file."
                )
    return None


def _repeated(beside: frozenset[str], inside: Mapping[Path, frozenset[str]]) -> str | None:
    for folder, names in inside.items():
        same = sorted(names & beside)
        if len(same) > 1 and 2 * len(same) >= len(names):
            return (
                f"{folder.name} has subfolders with the same names as the folders next to it "
                f"({first_few(same)}), so it looks like a second copy of the data, not a class. "
                "Move it away, or list the pictures in a .csv file."
            )
    return None


def _alike(inside: Mapping[Path, frozenset[str]]) -> str | None:
    """Find folders with the same subfolders, which may be the classes."""
    for one, other in _candidates({f: names for f, names in inside.items() if len(names) > 1}):
        same = sorted(inside[one] & inside[other])
        mostly = len(same) > 1 and 2 * len(same) >= max(len(inside[one]), len(inside[other]))
        if mostly and not all(DATE.fullmatch(name) for name in same):
            return _advice(one.name, other.name, same)
    return None


def _divided(inside: Mapping[Path, frozenset[str]]) -> str | None:
    """Find a folder that contains splits, which is a data set, not a class."""
    for folder, names in inside.items():
        splits = {name: split for name in names if (split := split_folder(name))}
        if "train" in splits.values() and len(set(splits.values())) > 1:
            return (
                f"{folder.name} holds {' and '.join(sorted(splits))}, which are splits, so it is "
                f"probably not a class. Give {folder} if that is the data set; if {folder.name} is "
                "a class, put its pictures into one folder."
            )
    return None


def _suffixed(inside: Mapping[Path, frozenset[str]]) -> str | None:
    """Find names that combine class and split, such as ``cat_train`` and ``cat_val``."""
    first: dict[tuple[str, ...], str] = {}
    for folder in inside:
        split, words = split_of(folder.name), besides_split(folder.name)
        other = first.setdefault(words, folder.name) if split and words else folder.name
        if split_of(other) != split:
            return (
                f"{other} and {folder.name} are named after a class and a split. Expected the "
                "split first and the class in it, such as train/cat and val/cat: move them, or "
                "list the pictures in a .csv file with the columns path, label and split."
            )
    return None


def _advice(one: str, other: str, same: list[str]) -> str:
    """Advise what to do with two folders that have the same subfolders."""
    both = f"{one} and {other} hold the same subfolders ({first_few(same)})"
    if all(map(split_of, same)):
        return (
            f"{both}, which are splits. Expected the split first and the class in it: move them to "
            f"{same[0]}/{one}, {same[0]}/{other} and so on, or list the pictures in a .csv file "
            "with the columns path, label and split."
        )
    if split_of(one) and split_of(other):
        return (
            f"{both}. They are splits, but none is for training. Expected a folder train next to "
            "them; to evaluate a model, give one of them."
        )
    return (
        f"{both}. If those are the classes, call the folders around them train, val and test; if "
        "not, give them other names, or list the pictures in a .csv file."
    )


def _candidates(inside: Mapping[Path, frozenset[str]]) -> list[tuple[Path, Path]]:
    """Return the pairs to compare: all for a few folders; for many, those with equal contents."""
    if len(inside) <= _FEW:
        return list(combinations(inside, 2))
    counts = Counter(inside.values())
    first: dict[frozenset[str], Path] = {}
    return [
        (first[names], folder)
        for folder, names in inside.items()
        if counts[names] > 1 and first.setdefault(names, folder) is not folder
    ]
