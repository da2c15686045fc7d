"""Reads folders of class folders.

Knows: class names from folder names, and the consistency of splits. Does not know the names of
splits (layout), which files are pictures (walk), or whether one can be decoded.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

import numpy as np

from kerascnn import images
from kerascnn.dataset.class_names import similar_class
from kerascnn.dataset.faults import STRICT, FaultHandler
from kerascnn.dataset.idx import idx_files
from kerascnn.dataset.layout import find_splits
from kerascnn.dataset.other_formats import advice_on
from kerascnn.dataset.pictures import FilePictures
from kerascnn.dataset.split import Dataset, Split
from kerascnn.dataset.walk import Walk, counted, notice, unsupported_notice
from kerascnn.errors import DataError
from kerascnn.language import count
from kerascnn.printable import first_few

LISTS = (".csv", ".tsv", ".npz")
"""Suffixes of files that contain labels."""


def load_folder(root: Path, faults: FaultHandler = STRICT, known: Collection[str] = ()) -> Dataset:
    """List a folder of class folders, or one with ``train/``, ``val/``, ``test/`` inside.

    Classes are sorted by name in Unicode NFC, so that the order does not depend on the file system
    (macOS stores Hangul decomposed). Folders named as ``known`` classes of a model are no wrappers.

    Raises:
        DataError: No class folders; and, unless ``faults`` collects problems: no pictures, classes
            that differ between splits, folders that may be splits or classes.
    """
    walk = Walk()
    folders = find_splits(root, walk, faults, known)
    classes = _classes(folders["train"], walk, faults)
    if not classes:
        instead = _better(root) or _contents(folders["train"], walk, root)
        raise DataError(_no_classes(folders["train"], walk) + instead)
    if len(classes) == 1 and (better := _better(root) or advice_on(sorted(root.glob("*.*")))):
        faults.warning(f"{root}: one class only ({next(iter(classes))}).{better}")
    listed = {"train": _list(classes, classes, root, walk)}
    for name in (name for name in ("val", "test") if name in folders):
        found = _judged(folders[name], classes, root, walk, faults)
        if found is not None:
            listed[name] = found
    _report_skipped(root, walk, faults)
    _check_every_class(root, classes, listed["train"], walk, faults)
    loose = [path for folder in _levels(root, folders) for path in walk.loose(folder)]
    if line := notice(root, walk, loose):
        faults.notice(line)
    return Dataset(str(root), tuple(classes), listed)


def _report_skipped(root: Path, walk: Walk, faults: FaultHandler) -> None:
    if runs := walk.runs():
        faults.error(
            f"{runs[0]}: a run folder of kerascnn train among the pictures of a class. Move it out "
            f"of {root}."
        )
    for folder, reason in walk.denied.items():
        faults.warning(f"{folder}: cannot be listed ({reason}), so its contents are skipped.")
    if unread := unsupported_notice(root, walk):
        faults.warning(unread)


def _levels(root: Path, folders: dict[str, Path]) -> list[Path]:
    """List the folders above the class folders, up to the data set's root."""
    around = {up for folder in folders.values() for up in (folder, *folder.parents)}
    return sorted(up for up in around if up == root or root in up.parents)


def _better(root: Path) -> str:
    """Suggest a list or arrays in a folder without classes; empty if there are none."""
    walk = Walk()
    inside = walk.folders(root)
    for place in (root, *inside, *(sub for folder in inside for sub in walk.folders(folder))):
        listed = [path for path in place.glob("*") if path.suffix.lower() in LISTS]
        files = sorted((p for p in listed if "submission" not in p.name.lower()), key=_rank)
        if better := place if idx_files(place) else next(iter(files), None):
            return f" There is {better}: give that, if it holds the labels."
    return ""


def _rank(path: Path) -> tuple[bool, Path]:
    """Sort key that puts lists without labels, which competitions provide, last."""
    return "test" in path.name.lower(), path


def _no_classes(folder: Path, walk: Walk) -> str:
    links = " (links to folders are passed over)" if walk.links else ""
    denied = "".join(f" ({reason})" for place, reason in walk.denied.items() if place == folder)
    return (
        f"{folder}: no class folders{links}{denied}. Expected one folder per class with pictures "
        "inside, e.g. DATA/cat/1.jpg and DATA/dog/2.jpg, or a .csv file with the columns path and "
        "label."
    )


def _contents(folder: Path, walk: Walk, root: Path) -> str:
    """Say what a folder without classes holds; empty if that does not help."""
    files = sorted(folder.glob("*"))
    around = sorted(folder.parent.glob("*.*")) if folder != root else []
    if pictures := [path.name for path in walk.loose(folder)]:
        held = f"{count(len(pictures), 'picture')} ({first_few(pictures, 3)})"
        return (
            f" It holds {held}: move those of each class into a folder of their own."
            f"{_named_after_classes(pictures)}{advice_on(files + around)}"
        )
    return advice_on(files + around) if files else " It is empty."


def _named_after_classes(names: list[str]) -> str:
    """Point to the classes that names such as ``cat.0.jpg`` and ``sea_lion_7.jpg`` begin with."""
    before_number = [re.sub(r"[\W_]*\d+\W*$", "", Path(name).stem) for name in names]
    letters = [re.split(r"[\W\d_]", name)[0] for name in names]
    for words in map(set, (before_number, letters)):
        if 1 < len(words) <= len(names) // 2 and not {"", "IMG", "DSC"} & words:
            return (
                f" Their names begin with {first_few(sorted(words))}, perhaps the classes; "
                "docs/data.md has a program that lists them."
            )
    return ""


def _classes(folder: Path, walk: Walk, faults: FaultHandler) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for sub in walk.folders(folder):
        name = unicodedata.normalize("NFC", sub.name)
        if not _is_text(name):
            faults.error(
                f"{folder}: the name of folder {os.fsencode(sub.name)!r} is not UTF-8, and it "
                "would be a class's. Rename it."
            )
        elif name in found:
            faults.error(
                f"{folder}: two folders have the same name {name!r} once Unicode is normalized. "
                "Rename one of them."
            )
        else:
            found[name] = sub
    return dict(sorted(found.items()))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 are surrogates here
        return False
    return True


def _judged(
    folder: Path, classes: dict[str, Path], root: Path, walk: Walk, faults: FaultHandler
) -> Split | None:
    """List a split for evaluation; None if nothing in it can be used."""
    found = _classes(folder, walk, faults)
    for name in [name for name in found if name not in classes]:
        faults.error(
            f"{found[name]}: class {name!r} is not among the training classes "
            f"({first_few(list(classes), 20)}). Rename the folder, or add it to train/."
            f"{similar_class(name, classes)}"
        )
    if not found:
        instead = _contents(folder, walk, root)
        faults.error(f"{_no_classes(folder, walk)}{instead} Or move {folder} away.")
        return None
    split = _list({n: f for n, f in found.items() if n in classes}, classes, root, walk)
    if len(split):
        return split
    faults.error(
        f"{folder}: no pictures in any of its class folders. Add some, or remove the folder."
    )
    return None


def _list(folders: dict[str, Path], classes: dict[str, Path], root: Path, walk: Walk) -> Split:
    order = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    counts = []
    for sub in folders.values():
        before = len(paths)
        paths.extend(walk.picture_paths(sub))
        counts.append(len(paths) - before)
    labels = np.asarray([order[name] for name in folders], np.int64)
    return Split(FilePictures(paths, root), np.repeat(labels, np.asarray(counts, np.int64)))


def _check_every_class(
    root: Path, classes: dict[str, Path], train: Split, walk: Walk, faults: FaultHandler
) -> None:
    counts = np.bincount(train.labels, minlength=len(classes))
    empty = [folder for folder, count in zip(classes.values(), counts, strict=True) if not count]
    if empty:
        others = [path for path in walk.others if not set(empty).isdisjoint(path.parents)]
        there = f" Other files are there: {counted(root, others)}." if others else ""
        there += advice_on(others)
        faults.error(
            f"{root}: no pictures in {first_few(empty, 20)}. "
            f"Expected pictures ({', '.join(images.SUFFIXES)}).{there}"
        )
