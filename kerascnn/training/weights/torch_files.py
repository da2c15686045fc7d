"""PyTorch's checkpoints: the state dict of a network, and what training programs save with it.

Knows: torch's own safe loading, and the keys under which programs save the state. Does not know:
tensor names, networks.
"""

from __future__ import annotations

import argparse
import logging
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ModelFileError, kind_and_line
from kerascnn.inference.model_file.advice import what_instead
from kerascnn.inference.model_file.kinds import kind_of_model
from kerascnn.zip_files import check_for_zip_bomb

log = logging.getLogger(__name__)

Tensors = dict[str, npt.NDArray[np.generic]]

_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "ema_model")
"""Keys of averaged weights in timm, torchvision and others; these weights are the better ones."""

_STATES = (*_AVERAGED, "state_dict", "model", "model_state_dict", "net", "network", "weights",
           "state", "checkpoint")  # fmt: skip
"""Keys of the state; the first that is present is used, else the only one in the file."""


_TRIED = ("torch", "pickle", "archive", "zip", "cut_zip", "locked_zip", "odd_zip", "safetensors",
          "keras", "hdf5")  # fmt: skip
"""Kinds of file that torch is given, if only for its message."""


def read_checkpoint(path: Path) -> Tensors:
    """Read a checkpoint's float32 arrays by PyTorch's names. No code of the file is run.

    Raises:
        ModelFileError: torch is not installed, or the file holds no state, holds code, or is
            damaged.
    """
    if kind_of_model(path) not in _TRIED:
        raise ModelFileError(f"{path}: not a weights file. {what_instead(path)}")
    torch = _torch(path)
    _refuse_program(path)
    try:
        state = state_in(_loaded(path, torch), str(path))
        return {name: _stored(name, tensor) for name, tensor in state.items()}
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, KeyError, TypeError,
            IndexError, zipfile.BadZipFile) as error:  # fmt: skip
        raise broken_weights(path, error) from error
    except Exception as error:
        # pickle.UnpicklingError: code in the file, which is never run.
        if type(error).__name__ != "UnpicklingError":
            raise
        raise ModelFileError(
            f"{path}: cannot be read as weights: it holds a whole pickled model or other objects "
            "of Python, whose code would run. Save the weights alone where it was made: "
            "torch.save(model.state_dict(), 'weights.pth'), or as .safetensors."
        ) from error


def _torch(path: Path) -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModelFileError(
            f"{path}: only torch itself reads such a file safely, and it is not installed. "
            "Install it with: pip install torch, or give the weights as .safetensors."
        ) from error
    return torch


def _loaded(path: Path, torch: Any) -> Any:
    if zipfile.is_zipfile(path):
        check_for_zip_bomb(path, ratio=1, floor=0)  # torch.save does not compress
    # Training programs save their options and NumPy's numbers (an accuracy), which are plain data.
    number = np.float64(0).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")  # before NumPy 2, and since
    plain = [
        argparse.Namespace, np.dtype, *{type(np.dtype(kind)) for kind in "?bhilqBHILQefd"},
        *((number, f"{module}.scalar") for module in modules),
    ]  # fmt: skip
    with torch.serialization.safe_globals(plain):
        return torch.load(path, map_location="cpu", weights_only=True)


def state_in(loaded: Any, source: str) -> dict[str, Any]:
    """Find a network's state dict among what a training program saved with it.

    Raises:
        ModelFileError: There is none, or there are several.
    """
    state = _tensors(loaded)
    if state:
        return state
    inner = {str(k): _tensors(v) for k, v in loaded.items()} if isinstance(loaded, Mapping) else {}
    inner = {name: found for name, found in inner.items() if found}
    known = [name for name in _STATES if name in inner]
    chosen = known[0] if known else next(iter(inner)) if len(inner) == 1 else None
    if not inner and isinstance(loaded, Mapping):
        nested = [loaded[name] for name in _STATES if isinstance(loaded.get(name), Mapping)]
        if len(nested) == 1:
            return state_in(nested[0], source)
    if chosen is None:
        raise ModelFileError(
            f"{source}: holds {', '.join(inner) or 'no tensors'}; expected the weights of one "
            "network. Save them alone where it was made: "
            "torch.save(model.state_dict(), 'weights.pth')."
        )
    if chosen in _AVERAGED and len(known) > 1:
        log.warning("%s: the averaged weights (%s) are used, not %s.", source, chosen, known[1])
    return inner[chosen]


def broken_weights(path: Path, error: Exception) -> ModelFileError:
    """Make the error for a damaged file of weights."""
    return ModelFileError(
        f"{path}: cannot be read as {path.suffix} ({kind_and_line(error, 200)}). "
        + what_instead(path, "keras", "hdf5", "cut_zip", "torch", "safetensors", "pickle", "zip")
    )


def _tensors(value: Any) -> dict[str, Any]:
    """Return the tensors of a mapping; empty unless most of its values are tensors."""
    if not isinstance(value, Mapping):
        return {}
    found = {str(name): one for name, one in value.items() if hasattr(one, "untyped_storage")}
    return found if 2 * len(found) > len(value) else {}


def _refuse_program(path: Path) -> None:
    """Refuse programs of TorchScript and torch.export, which are code."""
    names: list[str] = []
    with suppress(OSError, zipfile.BadZipFile, ValueError), zipfile.ZipFile(path) as file:
        names = file.namelist()
    if any("/code/" in name or name.endswith("/archive_format") for name in names):
        raise ModelFileError(
            f"{path}: holds a program of TorchScript or torch.export, which is code and is not "
            "run. Save the weights alone where it was made: torch.save(model.state_dict(), "
            "'weights.pth'), or as .safetensors."
        )


def _stored(name: str, tensor: Any) -> npt.NDArray[np.generic]:
    """Return a tensor's values if all are stored: a stride of 0 can claim any number of them."""
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, and fewer values are stored")
    if tensor.is_complex():
        raise ValueError(f"{name} holds complex numbers")
    values: npt.NDArray[np.generic] = tensor.detach().float().numpy()
    return values
