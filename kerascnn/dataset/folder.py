"""Folders of class folders.

Knows: which layout a folder has, class names from folder names, which files are pictures.
Does not know whether a picture can be decoded; that is found when it is read.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np

from kerascnn import images
from kerascnn.dataset.pictures import FilePictures
from kerascnn.dataset.split import Dataset, Split
from kerascnn.errors import DataError

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def load_folder(root: Path) -> Dataset:
    """List a folder of class folders, or one with ``train/``, ``val/``, ``test/`` inside.

    Args:
        root: The folder.

    Returns:
        The data set. Classes are sorted by name in Unicode NFC, so that the order does not
        depend on the file system (macOS stores Hangul decomposed).

    Raises:
        DataError: No class folders, no pictures, or classes that differ between splits.
    """
    folders = _subfolders(root)
    splits = {
        SPLIT_FOLDERS[folder.name.lower()]: folder
        for folder in folders
        if folder.name.lower() in SPLIT_FOLDERS
    }
    if "train" not in splits or len(splits) < len(folders):
        # A class may be called "test"; only a folder with nothing but splits is split.
        _refuse_half_split(root, splits, folders)
        splits = {"train": root}
    classes = _classes(splits["train"])
    listed = {name: _list(folder, classes, root) for name, folder in splits.items()}
    _check_every_class(root, classes, listed["train"])
    return Dataset(str(root), tuple(classes), listed)


def _refuse_half_split(root: Path, splits: dict[str, Path], folders: list[Path]) -> None:
    """With train/ and val/ or test/, a further folder is no class but a leftover: ask."""
    if "train" not in splits or len(splits) < 2:
        return
    others = sorted(folder.name for folder in folders if folder not in splits.values())
    raise DataError(
        f"{root}: holds {', '.join(sorted(folder.name for folder in splits.values()))} and also "
        f"{', '.join(others)}. Expected either splits or class folders, not both: move the "
        "others away."
    )


def _subfolders(folder: Path) -> list[Path]:
    return [
        Path(entry.path)
        for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith(".")
    ]


def _classes(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for sub in _subfolders(folder):
        name = unicodedata.normalize("NFC", sub.name)
        if name in found:
            raise DataError(
                f"{folder}: two folders have the same name {name!r} once Unicode is normalised. "
                "Rename one of them."
            )
        found[name] = sub
    if not found:
        raise DataError(
            f"{folder}: no class folders. Expected one folder a class with pictures inside, "
            "e.g. DATA/cat/1.jpg and DATA/dog/2.jpg."
        )
    return dict(sorted(found.items()))


def _list(folder: Path, classes: dict[str, Path], root: Path) -> Split:
    order = {name: label for label, name in enumerate(classes)}
    paths: list[Path] = []
    labels: list[int] = []
    for name, sub in _classes(folder).items():
        if name not in order:
            raise DataError(
                f"{sub}: class {name!r} is not among the training classes "
                f"({', '.join(order)}). Rename the folder, or add it to train/."
            )
        found = _pictures(sub)
        paths += found
        labels += [order[name]] * len(found)
    return Split(FilePictures(tuple(paths), root), np.asarray(labels, np.int64))


def _pictures(folder: Path) -> list[Path]:
    found: list[Path] = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(base, name)
            for name in sorted(files)
            if not name.startswith(".") and name.lower().endswith(images.SUFFIXES)
        ]
    return found


def _check_every_class(root: Path, classes: dict[str, Path], train: Split) -> None:
    counts = np.bincount(train.labels, minlength=len(classes))
    empty = [
        str(folder) for folder, count in zip(classes.values(), counts, strict=True) if not count
    ]
    if empty:
        raise DataError(
            f"{root}: no pictures in {', '.join(empty)}. "
            f"Expected files ending in {', '.join(images.SUFFIXES)}."
        )
