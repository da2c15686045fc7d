"""The reading of weights from a file, as named arrays.

Knows: the kinds of file, and how each can be broken. Does not know: which network they are for.
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
from kerascnn.training.weights.check import kind_of, parts_of
from kerascnn.training.weights.torch_files import Tensors, broken_weights, read_checkpoint

LIBRARIES = ("keras_hub", "keras_cv")
"""Libraries whose backbones are read for their weights; as models they are not exported."""

_UNNAMED = re.compile(r"variable(_\d+)?")
"""Keras' name of an unnamed weight, with a process-wide counter."""


def key(layer: str, weight: str) -> str:
    """Name a tensor ``LAYER/WEIGHT``: the same in every process.

    Examples:
        >>> key("conv1_conv", "kernel"), key("stage0_block0_layer_scale", "variable_36")
        ('conv1_conv/kernel', 'stage0_block0_layer_scale/variable')
    """
    return f"{layer}/{'variable' if _UNNAMED.fullmatch(weight) else weight}"


def tensors_of(model: keras.Model) -> Tensors:
    """Return the weights of a network by ``LAYER/WEIGHT``, nested models included."""
    return {
        key(layer.name, weight.name): keras.ops.convert_to_numpy(weight.value)
        for layer in flat(model)
        for weight in layer.weights
    }


def read_tensors(path: Path) -> Tensors:
    """Read every tensor of a file of any kind but ``.weights.h5``, which names none.

    Returns:
        Arrays by ``LAYER/WEIGHT`` for Keras' kinds, by PyTorch's names for PyTorch's.

    Raises:
        ModelFileError: It is no such file, is truncated, holds something else, or needs torch,
            which is missing.
    """
    readers: dict[str, Callable[[Path], Tensors]] = {
        ".keras": _keras,
        ".h5": _h5,
        ".safetensors": _safetensors,
    }
    read = readers.get(kind_of(path), read_checkpoint)
    tensors: Tensors = {}
    for part in parts_of(path):
        tensors |= read(part)
    return tensors


def _keras(path: Path) -> Tensors:
    from kerascnn.training.foreign.container import read_architecture
    from kerascnn.training.foreign.inspected import load_inspected

    architecture, _version = read_architecture(path)
    name = str(architecture.get("class_name"))
    if str(architecture.get("registered_name")).startswith("keras_hub>") and "Backbone" not in name:
        raise ModelFileError(
            f"{path}: a whole {name} of keras-hub, of which only the backbone can be read. Save "
            "that: model.backbone.save('backbone.keras')."
        )
    return tensors_of(load_inspected(path, LIBRARIES)[0])


def _h5(path: Path) -> Tensors:
    try:
        with opened(path) as file:
            check_values(path, file)
            root = file.get("model_weights", file)
            return {
                _key_in(name, layer): np.asarray(root[layer][name])
                for layer in _names(root, "layer_names")
                for name in _names(root[layer], "weight_names")
            }
    except ModelFileError:
        raise
    except Exception as error:
        # h5py raises errors of any class on an inconsistent file.
        raise broken_weights(path, error) from error


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """Read the names in an attribute of a group, in order."""
    # Keras splits a list that is too long for one attribute: weight_names0, weight_names1, ...
    parts = [attribute] if attribute in group.attrs else []
    while not parts or f"{attribute}{len(parts)}" in group.attrs:
        parts.append(f"{attribute}{len(parts)}")
    names = np.concatenate([np.atleast_1d(group.attrs.get(part, 0)) for part in parts])
    if names.ndim != 1 or names.dtype.kind not in "SUOf":
        raise ValueError(f"it holds no Keras layers: {attribute} is not a list of names")
    return [_text(name) for name in names.tolist()]


def _key_in(name: str, group: str) -> str:
    """Return the key of a weight ``.../LAYER/WEIGHT:0``; Keras 2 has ``/`` in LAYER too.

    Keras 1, as in VGG's downloads, names it ``LAYER_W_1:0``, in a group named like the layer.
    """
    layer, _, weight = name.split(":")[0].rpartition("/")
    if layer:
        # TensorFlow 1 numbered the names of a model that was loaded or built a second time.
        again = re.fullmatch(rf"{re.escape(group)}_\d+", layer)
        return key(group if again else layer, weight)
    old = re.fullmatch(rf"{re.escape(group)}_([Wb])(_\d+)?", weight)
    if old is None:
        raise ValueError(f"a weight is called {name[:60]!r}, without the name of its layer")
    return key(group, {"W": "kernel", "b": "bias"}[old[1]])


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _safetensors(path: Path) -> Tensors:
    from safetensors import safe_open
    from safetensors.numpy import load_file

    try:
        with safe_open(path, framework="numpy") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        narrow = [name for name, kind in types.items() if re.match(r"F[468]", str(kind))]
        if narrow:
            raise ModelFileError(
                f"{path}: {narrow[0]} holds numbers of type {types[narrow[0]]}: quantized weights. "
                "Expected 16 or 32 bits: save them as such where they were made, as with "
                "model.half()."
            )
        tensors: Tensors = load_file(path)
    except ModelFileError:
        raise
    except Exception as error:
        # NumPy raises its own errors for types and dimensions that it lacks.
        raise broken_weights(path, error) from error
    return tensors
