"""Reading weights from a file, as named arrays.

Knows: the kinds of file, and how each can be broken. Does not know which network they are for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np

from kerascnn.errors import ModelFileError
from kerascnn.training.foreign.hdf5 import check_values, opened
from kerascnn.training.networks.blocks import flat
from kerascnn.training.weights.check import kind_of
from kerascnn.training.weights.torch_files import Tensors, broken_weights, read_checkpoint

LIBRARIES = ("keras_hub", "keras_cv")
"""Whose backbones give their weights; as models they are not exported."""

_UNNAMED = re.compile(r"variable(_\d+)?")
"""What Keras calls a weight that its layer gave no name, with a counter of the whole process."""


def key(layer: str, weight: str) -> str:
    """Name a tensor ``LAYER/WEIGHT``: the same in every process.

    Examples:
        >>> key("conv1_conv", "kernel"), key("stage0_block0_layer_scale", "variable_36")
        ('conv1_conv/kernel', 'stage0_block0_layer_scale/variable')
    """
    return f"{layer}/{'variable' if _UNNAMED.fullmatch(weight) else weight}"


def tensors_of(model: keras.Model) -> Tensors:
    """Return the values of a network and of the models in it.

    Returns:
        By ``LAYER/WEIGHT``.
    """
    return {
        key(layer.name, weight.name): keras.ops.convert_to_numpy(weight.value)
        for layer in flat(model)
        for weight in layer.weights
    }


def read_tensors(path: Path) -> Tensors:
    """Read every tensor of a file.

    Args:
        path: Path of any kind but ``.weights.h5``, which names tensors by their order.

    Returns:
        For Keras' kinds by ``LAYER/WEIGHT``, for PyTorch's by PyTorch's names.

    Raises:
        ModelFileError: Not such a file, truncated, holding something else, or one of PyTorch
            without torch.
    """
    readers: dict[str, Callable[[Path], Tensors]] = {
        ".keras": _keras,
        ".h5": _h5,
        ".safetensors": _safetensors,
    }
    return readers.get(kind_of(path), read_checkpoint)(path)


def _keras(path: Path) -> Tensors:
    from kerascnn.training.foreign.inspected import load_inspected

    return tensors_of(load_inspected(path, LIBRARIES)[0])


def _h5(path: Path) -> Tensors:
    try:
        with opened(path) as file:
            check_values(path, file)
            root = file.get("model_weights", file)
            return {
                _key_in(name): np.asarray(root[layer][name])
                for layer in _names(root, "layer_names")
                for name in _names(root[layer], "weight_names")
            }
    except ModelFileError:
        raise
    except Exception as error:
        # h5py raises whatever it meets where a file lies about itself.
        raise broken_weights(path, error) from error


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """Read the names that Keras notes beside a group, in order."""
    names = np.asarray(group.attrs.get(attribute, 0))
    if names.ndim != 1 or names.dtype.kind not in "SUOf":
        raise ValueError(f"it holds no Keras layers: {attribute} is not a list of names")
    return [_text(name) for name in names.tolist()]


def _key_in(name: str) -> str:
    """Name a weight that Keras calls ``.../LAYER/WEIGHT:0``."""
    layer, _, weight = name.split(":")[0].rpartition("/")
    if not layer:
        raise ValueError(f"a weight is called {name[:60]!r}, without the name of its layer")
    return key(layer.rpartition("/")[2], weight)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _safetensors(path: Path) -> Tensors:
    from safetensors.numpy import load_file

    try:
        tensors: Tensors = load_file(path)
    except Exception as error:
        # Of types and dimensions that numpy lacks, numpy's errors come through.
        raise broken_weights(path, error) from error
    return tensors
