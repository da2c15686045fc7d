"""The two kinds of Keras files, opened without Keras.

Knows: where the zip and the HDF5 keep architecture and weights, and how to write a copy with
another architecture. Does not know what an architecture may hold: see
:mod:`kerascnn.training.foreign.architecture`.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py

from kerascnn.errors import ModelFileError
from kerascnn.inference.model_file.kinds import kind_of_model, said_instead

SUFFIXES = (".keras", ".h5", ".hdf5")

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

_LONGEST = 2**26
"""Bytes of an architecture; a thousand layers take one million."""


def read_architecture(path: Path) -> tuple[dict[str, Any], str]:
    """Read a model's architecture as plain values; nothing of it is made or run.

    Args:
        path: Of a file as Keras saves them, zip or HDF5, whatever it is called.

    Returns:
        The architecture, and the version of Keras that wrote it (``unknown`` if it is not said).

    Raises:
        ModelFileError: Not such a file, one of weights alone, or one that reaches for others.
    """
    if not path.exists():
        raise ModelFileError(f"{path}: no such file.")
    try:
        text, version = (_read_zip if is_zip(path) else _read_h5)(path)
        architecture = json.loads(text)
    except (OSError, KeyError, ValueError, RecursionError, RuntimeError, zipfile.BadZipFile,
            NotImplementedError) as error:  # fmt: skip
        raise ModelFileError(
            f"{path}: not a whole model that Keras saved ({type(error).__name__}: {error}). "
            f"Expected a .keras or .h5 file with architecture and weights. {_instead(path)}"
        ) from error
    if not isinstance(architecture, dict):
        raise ModelFileError(f"{path}: its architecture is no JSON object.")
    return architecture, version


def is_zip(path: Path) -> bool:
    """Tell whether a file is of the kind that is called ``.keras``, whatever its name is."""
    return path.is_file() and zipfile.is_zipfile(path)


def _instead(path: Path) -> str:
    known = kind_of_model(path) not in ("keras", "hdf5")
    return (said_instead(path) if known else "") or "It is truncated or damaged: copy it again."


def write_copy(path: Path, architecture: dict[str, Any], target: Path) -> None:
    """Copy a model with another architecture, so that what is loaded is what was inspected.

    Args:
        path: Of the original.
        architecture: To put in place of its own.
        target: The file to write, of the same kind.
    """
    text = json.dumps(architecture)
    if not is_zip(path):
        shutil.copyfile(path, target)
        with h5py.File(target, "r+") as file:
            file.attrs["model_config"] = text
        return
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        new.writestr(_CONFIG, text)
        new.writestr(_METADATA, old.read(_METADATA) if _METADATA in old.namelist() else "{}")
        with old.open(_WEIGHTS) as weights, new.open(_WEIGHTS, "w", force_zip64=True) as copy:
            shutil.copyfileobj(weights, copy)


def _read_zip(path: Path) -> tuple[str, str]:
    with zipfile.ZipFile(path) as file:
        if file.getinfo(_CONFIG).file_size > _LONGEST:
            raise ValueError(f"{_CONFIG} is larger than {_LONGEST:,} bytes")
        with file.open(_WEIGHTS) as weights, h5py.File(weights, "r") as group:
            _refuse_links(path, group)
        metadata = json.loads(file.read(_METADATA)) if _METADATA in file.namelist() else {}
        version = metadata.get("keras_version") if isinstance(metadata, dict) else None
        return file.read(_CONFIG).decode(), str(version or "unknown")


def _read_h5(path: Path) -> tuple[str, str]:
    with h5py.File(path, "r") as file:
        _refuse_links(path, file)
        text = file.attrs.get("model_config")
        if text is None:
            raise ModelFileError(
                f"{path}: holds weights alone, without the architecture (it has no model_config). "
                "Build the model in Keras, load the weights into it, and save it whole with "
                "model.save('model.keras')."
            )
        return _text(text), _text(file.attrs.get("keras_version", "unknown"))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _refuse_links(path: Path, group: h5py.Group) -> None:
    """Refuse values that lie in other files: reading them would leak those into the model."""
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelFileError(
                f"{path}: {name!r} is a link to elsewhere. Weights must be inside."
            )
        value = group[name]
        if isinstance(value, h5py.Dataset) and (value.external or value.is_virtual):
            raise ModelFileError(f"{path}: the values of {name!r} lie in another file.")
        if isinstance(value, h5py.Group):
            _refuse_links(path, value)
