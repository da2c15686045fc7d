"""From what the user typed to a data set.

Knows: which reader fits which kind of DATA. Does not know any format.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kerascnn.dataset.builtin import load_fashion_mini
from kerascnn.dataset.csv_file import load_csv
from kerascnn.dataset.faults import STRICT, Faults
from kerascnn.dataset.folder import load_folder
from kerascnn.dataset.idx import idx_files, load_idx
from kerascnn.dataset.npz import load_npz
from kerascnn.dataset.split import Dataset
from kerascnn.errors import DataError

BUILTIN: dict[str, Callable[[], Dataset]] = {"fashion-mini": load_fashion_mini}
"""Data sets by name; a folder of the same name in the working folder comes second."""

FILES: dict[str, Callable[[Path, Faults], Dataset]] = {".csv": load_csv, ".npz": load_npz}
"""Readers of single files, by the end of the name."""


def load_dataset(data: str | Path, faults: Faults = STRICT) -> Dataset:
    """Load a data set.

    Args:
        data: A folder of class folders (or with ``train/ val/ test/`` inside), a folder with
            IDX files, a CSV file (``path,label[,split]``), an ``.npz`` file, or a built-in name.
        faults: Told of faults; the default raises the first, :class:`Noted` goes on.

    Returns:
        The data set; its pictures are read later, one at a time.

    Raises:
        DataError: Nothing there, or nothing that can be used.
    """
    if str(data) in BUILTIN:
        return BUILTIN[str(data)]()
    path = Path(data)
    if path.is_file() and path.suffix.lower() in FILES:
        return FILES[path.suffix.lower()](path, faults)
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(
            f"{path}: {what}. Expected a folder of class folders, a folder with IDX files, a "
            f".csv or .npz file, or a built-in name ({', '.join(BUILTIN)})."
        )
    return load_idx(path, faults) if idx_files(path) else load_folder(path, faults)
