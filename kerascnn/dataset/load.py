"""Loads a data set by its path or name.

Knows: the reader for each kind of DATA. Does not know the formats.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

from kerascnn.dataset.builtin import load_fashion_mini
from kerascnn.dataset.class_names import look
from kerascnn.dataset.csv_file import load_csv
from kerascnn.dataset.faults import STRICT, FaultHandler
from kerascnn.dataset.folder import load_folder
from kerascnn.dataset.idx import idx_files, load_idx
from kerascnn.dataset.npz import load_npz
from kerascnn.dataset.other_formats import format_of
from kerascnn.dataset.split import Dataset
from kerascnn.errors import DataError
from kerascnn.files import did_you_mean
from kerascnn.images import SUFFIXES
from kerascnn.uris import is_uri

BUILTIN: dict[str, Callable[[], Dataset]] = {"fashion-mini": load_fashion_mini}
"""Built-in data sets by name; they take precedence over a folder of the same name."""

_Reader: TypeAlias = Callable[[Path, FaultHandler, Collection[str]], Dataset]

FILES: dict[str, _Reader] = {".csv": load_csv, ".tsv": load_csv, ".npz": load_npz}
"""Readers of single files, by suffix."""

_MODELS = (".onnx", ".keras", ".weights.h5", ".tflite", ".pt", ".pth", ".safetensors", ".pb")

_RUN = ("config.json", "history.csv", "model.keras")
"""Files by which a run folder is recognized."""


def load_dataset(
    data: str | Path, faults: FaultHandler = STRICT, known: Collection[str] = ()
) -> Dataset:
    """Load a data set.

    Args:
        data: A folder of class folders (or with ``train/ val/ test/`` inside), a folder with
            IDX files, a CSV file (``path,label[,split]``), an ``.npz`` file, or a built-in name.
        faults: Receives problems; the default raises the first, :class:`FaultCollector` keeps all.
        known: Classes of the model that will classify it, if any: a single folder with such a name
            is a class, not a wrapper, and a list or arrays need no training pictures.

    Returns:
        The data set; its pictures are read later, one at a time.

    Raises:
        DataError: It does not exist, or cannot be used.
    """
    if str(data) in BUILTIN:
        return BUILTIN[str(data)]()
    check_data_exists(data)
    path = Path(data)
    if path.is_file():
        dataset = FILES[path.suffix.lower()](path, faults, known)
    elif idx_files(path):
        dataset = load_idx(path, faults, known)
    else:
        dataset = load_folder(path, faults, known)
    _check_case(dataset, faults)
    return dataset


def _check_case(dataset: Dataset, faults: FaultHandler) -> None:
    """Report classes that differ only in what is hard to see; single letters may."""
    first: dict[str, str] = {}
    for name in dataset.classes:
        other = first.setdefault(look(name), name)
        if other != name and len(name) > 1:
            faults.warning(
                f"{dataset.name}: classes {other!r} and {name!r} differ only in case, spaces or "
                f"Unicode form. Give both the same name if they are one class."
            )


def check_data_exists(data: str | Path) -> None:
    """Check that a data set exists without reading it, before any slow work.

    Raises:
        DataError: Neither a built-in name nor a folder nor a file of a known kind.
    """
    path = Path(data)
    if str(data) in BUILTIN or (os.path.isfile(path) and path.suffix.lower() in FILES):  # noqa: PTH113
        return
    run = all(os.path.isfile(path / name) for name in _RUN)  # noqa: PTH113
    if run or not os.path.isdir(path):  # noqa: PTH112 - Path raises for names that are too long
        what, next_step = _what_came(data)
        shown = data if is_uri(str(data)) else path
        raise DataError(
            f"{shown}: {what}. Expected a folder of class folders, a folder with IDX files, a "
            f".csv or .npz file, or a built-in name ({', '.join(BUILTIN)}).{next_step}"
        )


def _what_came(data: str | Path) -> tuple[str, str]:
    """Describe what DATA is instead of a data set, and what to do."""
    if str(data).startswith("file:"):
        return "is a URL", " Give its path alone, without file://."
    if is_uri(str(data)):
        return "is a URL, and URLs are not fetched", " Download and unpack it first."
    if not os.path.exists(data):  # noqa: PTH110 - Path raises for names that are too long
        near = difflib.get_close_matches(str(data).lower(), BUILTIN, 1, cutoff=0.8)
        return "does not exist", f" Did you mean {near[0]}?" if near else did_you_mean(data)
    if os.path.isdir(data):  # noqa: PTH112
        return "is a run folder, not pictures", ""
    name = str(data).lower()
    if name.endswith(_MODELS):
        return (
            "is a model, not pictures",
            " The model comes first: kerascnn evaluate MODEL DATA.",
        )
    if name.endswith(SUFFIXES):
        return "is one picture", ""
    kind, advice = format_of(Path(data)) or ("a file", "")
    return f"is {kind}", f" {advice}." if advice else ""
