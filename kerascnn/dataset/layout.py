"""Decides which folders are splits and which are classes.

Knows: the names of splits, and the contents of folders. Does not know pictures, or which folders
are probably not classes (:mod:`kerascnn.dataset.suspect_folders`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from pathlib import Path

from kerascnn.dataset.faults import FaultHandler
from kerascnn.dataset.split_names import besides_split, split_folder, split_of
from kerascnn.dataset.suspect_folders import (
    ANNOTATIONS,
    check_annotations,
    check_classes,
    names_in,
    pictures_in,
    unwrapped,
)
from kerascnn.dataset.walk import Walk
from kerascnn.dataset.wrappers import DATE, inside_wrapper
from kerascnn.printable import first_few

log = logging.getLogger(__name__)

_UNLABELED = re.compile(
    r"pred|predict|prediction|predictions|unlabell?ed|unsup|submission|inference"
)
"""Words in the names of folders with unlabeled pictures."""


def find_splits(
    root: Path, walk: Walk, faults: FaultHandler, known: Collection[str] = ()
) -> dict[str, Path]:
    """Find the folders of class folders by split.

    Only ``train``, which is ``root`` or a wrapped folder inside, if it contains the classes
    directly.
    """
    aside, place = walk.aside(), root
    while (splits := _splits(place, walk, faults)) is None:
        inner = _inner(place, aside, faults, known)
        if inner is None:
            check_classes(place, known, aside, faults)
            splits = {"train": place}
            break
        place = inner
    _tell_wrapper(root, place)
    found = {"train": _innermost(splits["train"], aside, faults, known)}
    if found["train"] != place:
        check_annotations(found["train"], aside, faults)
    classes = known or names_in(found["train"], aside)
    for name in (name for name in splits if name != "train"):
        flat = pictures_in(splits[name], aside)
        has_classes = flat.name in classes or names_in(flat, aside)
        found[name] = _innermost(splits[name] if has_classes else flat, aside, faults, classes)
    return found


def _splits(root: Path, walk: Walk, faults: FaultHandler) -> dict[str, Path] | None:
    """Find folders whose names are splits; None if there are none."""
    all_folders = walk.folders(root)
    flat = _flat_tests(all_folders, walk)
    walk.unlabeled |= dict.fromkeys(flat)
    folders = [folder for folder in all_folders if folder not in flat]
    exact = _by_split(folders, split_folder, faults, root)
    if "train" in exact and len(exact) == len(folders):
        return exact
    aside = walk.aside()
    inside = {folder: names_in(unwrapped(folder, aside), aside) for folder in folders}
    nested = [folder for folder in folders if inside[folder]]
    named = _by_split(nested, split_of, faults, root)
    others = [folder for folder in folders if folder not in named.values()]
    alike = _shared([inside[folder] for folder in named.values()])
    if "train" in named and (alike or flat or (len(folders) == 1 and len(inside[folders[0]]) > 1)):
        _leave_out(root, named, others, walk, faults)
        return named
    if "train" in exact and len(exact) > 1:
        # A class may be called "test", but not one "train" and another "val".
        if all(split_of(folder.name) for folder in folders):
            return _by_split(folders, split_of, faults, root)
        _leave_out(root, exact, [f for f in folders if f not in exact.values()], walk, faults)
        return exact
    flat_splits = [folder for folder in folders if folder.name.lower() not in ANNOTATIONS]
    alone = not nested and len({besides_split(folder.name) for folder in flat_splits}) == 1
    if alone and len(splits := _by_split(flat_splits, split_of, faults, root)) > 1:
        return splits if "train" in splits and len(splits) == len(flat_splits) else None
    return None


def _flat_tests(folders: Sequence[Path], walk: Walk) -> list[Path]:
    """Find test folders with pictures but no classes, which competitions provide."""
    aside = walk.aside()
    trains = {
        besides_split(folder.name)
        for folder in folders
        if split_of(folder.name) == "train" and len(names_in(unwrapped(folder, aside), aside)) > 1
    }
    return [
        folder
        for folder in folders
        if split_of(folder.name) == "test"
        and besides_split(folder.name) in trains
        and not names_in(inside := pictures_in(folder, aside), aside)
        and walk.loose(inside)
    ]


def _inner(folder: Path, walk: Walk, faults: FaultHandler, known: Collection[str]) -> Path | None:
    """Find the folder that contains all pictures, if it is not a class."""
    folders = walk.folders(folder)
    inner = inside_wrapper(folders, known, walk)
    if inner is not None and len(folders) > 1:
        if not any(names_in(sub, walk) for sub in walk.folders(inner)):
            check_annotations(folder, walk, faults)
        empty = first_few([sub.name for sub in folders if sub != inner], 20)
        faults.error(
            f"{folder}: only {inner.name} holds pictures; there are none in {empty}. Give {inner} "
            f"if its folders are the classes or splits; if {inner.name} is a class, add pictures "
            "to the others."
        )
    return inner


def _innermost(folder: Path, walk: Walk, faults: FaultHandler, known: Collection[str]) -> Path:
    """Descend into ``train/train/`` and ``train/images/``, which archives often contain."""
    inner = reached = unwrapped(folder, walk)
    while (further := _inner(reached, walk, faults, known)) is not None:
        reached = further
    _tell_wrapper(inner, reached)
    return reached


def _tell_wrapper(given: Path, read: Path) -> None:
    if read != given:
        log.warning("%s: all pictures are in one folder inside it, so %s is read.", given, read)


def _by_split(
    folders: Sequence[Path], read: Callable[[str], str | None], faults: FaultHandler, root: Path
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        split = read(folder.name)
        if split in found:
            faults.error(
                f"{root}: {found[split].name} and {folder.name} are both split {split}. Expected "
                "one folder per split: merge them, or rename one."
            )
        elif split:
            found[split] = folder
    return found


def _shared(names: Sequence[frozenset[str]]) -> bool:
    shared = [one & other for one, other in combinations(names, 2)]
    return any(not DATE.fullmatch(name) for same in shared for name in same)


def _leave_out(
    root: Path, splits: dict[str, Path], others: Sequence[Path], walk: Walk, faults: FaultHandler
) -> None:
    """Skip folders whose names say that they are unlabeled; report others as problems."""
    words = {folder: re.split(r"[^a-z]+", folder.name.lower()) for folder in others}
    without = [f for f in others if any(_UNLABELED.fullmatch(word) for word in words[f])]
    walk.unlabeled |= dict.fromkeys(without)
    unknown = sorted(folder.name for folder in others if folder not in without)
    names = {folder.name for folder in splits.values()}
    if copy := next((f for f in others if names <= names_in(f, walk)), None):
        faults.error(
            f"{root}: {copy.name} holds the same splits ({first_few(sorted(names))}), so it looks "
            f"like a second copy of the data. Move it away, or give {copy}."
        )
    elif unknown:
        faults.error(
            f"{root}: holds {', '.join(sorted(names))} and also {', '.join(unknown)}. Expected "
            "either splits or class folders, not both: move the others away."
        )
