"""From what the user typed to a data set.

Knows: which reader fits which kind of DATA. Does not know any format.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from kerascnn.dataset.builtin import load_fashion_mini
from kerascnn.dataset.csv_file import load_csv
from kerascnn.dataset.faults import STRICT, FaultHandler
from kerascnn.dataset.folder import load_folder
from kerascnn.dataset.idx import idx_files, load_idx
from kerascnn.dataset.npz import load_npz
from kerascnn.dataset.split import Dataset
from kerascnn.errors import DataError
from kerascnn.files import did_you_mean

BUILTIN: dict[str, Callable[[], Dataset]] = {"fashion-mini": load_fashion_mini}
"""Data sets by name; a folder of the same name in the working folder comes second."""

FILES: dict[str, Callable[[Path, FaultHandler], Dataset]] = {".csv": load_csv, ".npz": load_npz}
"""Readers of single files, by the end of the name."""


def load_dataset(
    data: str | Path, faults: FaultHandler = STRICT, known: Collection[str] = ()
) -> Dataset:
    """Load a data set.

    Args:
        data: A folder of class folders (or with ``train/ val/ test/`` inside), a folder with
            IDX files, a CSV file (``path,label[,split]``), an ``.npz`` file, or a built-in name.
        faults: Told of faults; the default raises the first, :class:`FaultCollector` goes on.
        known: Classes of the model that is to classify it, if there is one: a single folder of
            such a name is a class, and no folder around the class folders.

    Returns:
        The data set; its pictures are read later, one at a time.

    Raises:
        DataError: Nothing there, or nothing that can be used.
    """
    if str(data) in BUILTIN:
        return BUILTIN[str(data)]()
    check_data_exists(data)
    path = Path(data)
    if path.is_file():
        return FILES[path.suffix.lower()](path, faults)
    return load_idx(path, faults) if idx_files(path) else load_folder(path, faults, known)


def check_data_exists(data: str | Path) -> None:
    """Check that a data set exists, without reading it: before anything slow.

    Raises:
        DataError: A name that is neither built in nor a folder nor a file of a known kind.
    """
    path = Path(data)
    if str(data) in BUILTIN or (os.path.isfile(path) and path.suffix.lower() in FILES):  # noqa: PTH113
        return
    if not os.path.isdir(path):  # noqa: PTH112 - Path raises for names that are too long
        there = os.path.exists(path)  # noqa: PTH110
        what, near = ("is a file", "") if there else ("does not exist", did_you_mean(path))
        raise DataError(
            f"{path}: {what}. Expected a folder of class folders, a folder with IDX files, a "
            f".csv or .npz file, or a built-in name ({', '.join(BUILTIN)}).{near}"
        )
