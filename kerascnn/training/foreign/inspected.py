"""Loading of a Keras file after its inspection: the only way to open one.

Knows: the order of the steps, and that Keras raises errors of any class on strange files. Does not
know: what is in an architecture (:mod:`.architecture`) or in HDF5 (:mod:`.hdf5`).
"""

from __future__ import annotations

import errno
import json
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.legacy.saving import json_utils, saving_options, saving_utils

import kerascnn.training.networks.depthwise  # noqa: F401 - a layer that files may hold
from kerascnn.errors import ModelFileError
from kerascnn.files import cannot_write
from kerascnn.leftovers import temporary_folder
from kerascnn.training.foreign.architecture import safe_architecture
from kerascnn.training.foreign.container import is_zip, read_architecture, write_copy
from kerascnn.training.foreign.keras2_layers import restore_activations

_SLACK = 2**20
"""Bytes of variables that a file may lack: states of generators, counters."""

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of the operating system if there is no space for the copy: the file itself is fine."""

_PENDING = "uninitialized_variables"
"""Keras' name of its list of variables that are still to be initialized."""


def load_inspected(path: Path, libraries: tuple[str, ...] = ()) -> tuple[keras.Model, str]:
    """Load any model of Keras 2 or 3, computing in float32. No code of the file is run.

    Returns:
        The model, and the version of Keras that wrote it.

    Raises:
        ModelFileError: It contains code or custom objects, its layers are larger than its weights,
            or Keras cannot load it.
    """
    architecture, version = read_architecture(path)
    architecture = safe_architecture(architecture, str(path), libraries)
    if version[:2] in ("1.", "2.") or (version == "unknown" and not is_zip(path)):
        architecture = restore_activations(architecture)
    with temporary_folder() as folder:
        copy = folder / ("inspected.keras" if is_zip(path) else "inspected.h5")
        with _readable_errors(path, copy, version):
            stored = write_copy(path, architecture, copy)
            _check_layer_sizes(path, architecture, stored)
            return keras.saving.load_model(copy, compile=False, safe_mode=True), version


@contextmanager
def _readable_errors(path: Path, copy: Path, version: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # About optimizers and input names, which do not matter here.
            warnings.simplefilter("ignore")
            yield
    except ModelFileError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise cannot_write(copy.parent, error) from error
        # On a damaged file, or one of another version, Keras and h5py raise errors of any class:
        # ValueError, TypeError, KeyError, AttributeError, OSError, MemoryError...
        reason = " ".join(str(error).split()).replace(str(copy), str(path))
        # Keras prints the whole configuration before the error.
        reason = reason.rpartition("Exception encountered: ")[2][:300]
        numbers, ours = (re.findall(r"\d+", one)[:3] for one in (version, keras.__version__))
        newer = list(map(int, numbers)) > list(map(int, ours))
        advice = f" Keras {version} wrote it: install that version." if newer else ""
        raise ModelFileError(
            f"{path}: Keras {keras.__version__} cannot load it ({type(error).__name__}: {reason})."
            f"{advice}"
        ) from error


def _check_layer_sizes(path: Path, architecture: dict[str, Any], stored: int) -> None:
    """Compare the size of the layers' variables with the file's values before allocating them."""
    before = global_state.get_global_attribute(_PENDING)
    global_state.set_global_attribute(_PENDING, [])
    try:
        # In this scope variables have shapes but no values.
        with keras.StatelessScope(initialize_variables=False):
            model = _build(architecture, legacy=not is_zip(path))
            variables = getattr(model, "variables", ())
            needed = sum(4 * math.prod(map(int, variable.shape)) for variable in variables)
    finally:
        global_state.set_global_attribute(_PENDING, before or [])
    if needed > 4 * stored + _SLACK:
        raise ModelFileError(
            f"{path}: its layers take {needed:,} bytes of weights, and {stored:,} are in the file. "
            "It was changed: copy it again from where it was made."
        )


def _build(architecture: dict[str, Any], legacy: bool) -> Any:
    """Build the model as ``load_model`` does before it reads weights."""
    if not legacy:
        return keras.saving.deserialize_keras_object(architecture, safe_mode=True)
    with saving_options.keras_option_scope(use_legacy_config=True):
        decoded = json_utils.decode(json.dumps(architecture))
        return saving_utils.model_from_config(decoded, keras.saving.get_custom_objects())
