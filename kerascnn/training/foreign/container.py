"""The two kinds of Keras files, opened without Keras.

Knows: where the zip and the HDF5 store architecture and weights, and how to write a copy with
another. Does not know: what an architecture may contain (:mod:`.architecture`).
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

from kerascnn.errors import ModelFileError, kind_and_line
from kerascnn.files import did_you_mean
from kerascnn.inference.model_file.advice import what_instead
from kerascnn.training.foreign.hdf5 import check_values, number_layers_once, opened
from kerascnn.typed_json import parse_json
from kerascnn.zip_files import check_for_zip_bomb

SUFFIXES = (".keras", ".h5", ".hdf5")
"""Suffixes of Keras models."""

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

_LONGEST = 2**24
"""Maximum size of an architecture, in bytes; a thousand layers take one million."""

_METADATA_LONGEST = 2**16
"""Maximum size of the metadata, a version and a date, in bytes."""

_VERSION_LONGEST = 40
"""Maximum length of the version that is shown, in characters."""


def read_architecture(path: Path) -> tuple[dict[str, Any], str]:
    """Read a model's architecture as plain values; nothing of it is built or run.

    Returns:
        The architecture, and the version of Keras that wrote it (``unknown`` if not stored).

    Raises:
        ModelFileError: It is no such file, has weights alone, or refers to other files.
    """
    if not path.exists():
        raise ModelFileError(f"{path}: no such file.{did_you_mean(path)}")
    try:
        text, version = (_read_zip if is_zip(path) else _read_h5)(path)
        architecture = parse_json(text, finite=False)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile,
            zlib.error, EOFError) as error:  # fmt: skip
        raise ModelFileError(
            f"{path}: not a whole model that Keras saved ({kind_and_line(error)}). "
            "Expected a .keras or .h5 file with architecture and weights. "
            + what_instead(path, "keras", "hdf5", "cut_zip")
        ) from error
    if not isinstance(architecture, dict):
        raise ModelFileError(f"{path}: its architecture is not a JSON object.")
    return architecture, version


def is_zip(path: Path) -> bool:
    """Return whether a file is in the ``.keras`` format, whatever its name."""
    return path.is_file() and zipfile.is_zipfile(path)


def write_copy(path: Path, architecture: dict[str, Any], target: Path) -> int:
    """Copy a model with another architecture, so that the inspected one is loaded.

    Returns:
        Size of its values, in bytes.

    Raises:
        ModelFileError: Its values are not plain numbers stored in it.
    """
    text = json.dumps(architecture)
    if not is_zip(path):
        shutil.copyfile(path, target)
        with opened(target, "r+") as file:
            file.attrs["model_config"] = text
            return check_values(path, file)
    # Unpacked, because reading HDF5 inside a zip seeks, which takes ten times as long.
    loose = target.with_suffix(".weights")
    with zipfile.ZipFile(path) as old, old.open(_WEIGHTS) as weights, loose.open("wb") as out:
        shutil.copyfileobj(weights, out)
    with opened(loose, "r+") as file:
        stored = check_values(path, file)
        number_layers_once(file)
    with zipfile.ZipFile(target, "w") as new:
        new.writestr(_CONFIG, text)
        new.writestr(_METADATA, "{}")
        new.write(loose, _WEIGHTS)
    loose.unlink()
    return stored


def _read_zip(path: Path) -> tuple[str, str]:
    check_for_zip_bomb(path)
    with zipfile.ZipFile(path) as file:
        config = _read_text(file, _CONFIG, _LONGEST)
        file.getinfo(_WEIGHTS)  # raises if there are none
        there = _METADATA in file.namelist()
        metadata = parse_json(_read_text(file, _METADATA, _METADATA_LONGEST)) if there else {}
        version = metadata.get("keras_version") if isinstance(metadata, dict) else None
        return config, str(version or "unknown")[:_VERSION_LONGEST]


def _read_text(file: zipfile.ZipFile, name: str, longest: int) -> str:
    if file.getinfo(name).file_size > longest:
        raise ValueError(f"{name} is larger than {longest:,} bytes")
    return file.read(name).decode()


def _read_h5(path: Path) -> tuple[str, str]:
    with opened(path) as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise ModelFileError(
                f"{path}: holds only weights, without the architecture (it has no model_config). "
                "Build the model in Keras, load the weights into it, and save it whole with "
                "model.save('model.keras')."
            )
        version = _text(file.attrs.get("keras_version", "unknown"))[:_VERSION_LONGEST]
        if len(text) > _LONGEST:
            raise ValueError(f"model_config is larger than {_LONGEST:,} bytes")
        return _text(text), version


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
