"""Keras' ``.weights.h5``, which knows layers by their kind and order alone.

Knows: that a twin of the network reads it, and that people's own models hold the backbone as a
model inside. Does not know names of layers, nor how tensors are assigned.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras

from kerascnn.errors import ModelFileError, one_line
from kerascnn.training.foreign.hdf5 import check_values, opened
from kerascnn.training.networks import Network, build_network
from kerascnn.training.networks.blocks import head_of
from kerascnn.training.weights.files import tensors_of
from kerascnn.training.weights.torch_files import Tensors


def from_checkpoint(core: keras.Model, row: Network, path: Path) -> Tensors:
    """Read ``.weights.h5`` of a network, or of a model around its backbone, through a twin of it.

    Returns:
        Tensors by the core's names.

    Raises:
        ModelFileError: It holds other weights.
    """
    try:
        with _innermost(path) as file:
            classes = _class_count(path, file, head_of(core).kernel.shape[0])
            twin = build_network(row, classes or 1, core.input_shape[1])
            model = twin if classes else keras.Model(twin.inputs[0], twin.layers[-1].input)
            with warnings.catch_warnings():
                # Keras warns of layers that it leaves as they are; here all must be found.
                warnings.simplefilter("error", UserWarning)
                model.load_weights(file)
    except ModelFileError:
        raise
    except Exception as error:
        # A warning, or whatever Keras and h5py raise where a file lies about itself.
        reason = one_line(error)
        raise ModelFileError(
            f"{path}: not weights of {row.name} ({reason}). It is truncated, or made for another "
            "network."
        ) from error
    return tensors_of(model)


@contextmanager
def _innermost(path: Path) -> Iterator[Path]:
    """Give the file itself, or a copy of the model in it that has the most layers."""
    with opened(path) as file:
        check_values(path, file)
        models = [file, *_models(file)]
        largest = max(models, key=lambda model: len(model["layers"]))
        if largest.name == "/":
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "inner.weights.h5")
            with h5py.File(copy, "w") as target:
                for name in largest:
                    file.copy(largest[name], target, name=name)
            yield copy


def _models(model: h5py.Group) -> Iterator[h5py.Group]:
    layers = model["layers"]
    if not isinstance(layers, h5py.Group):
        raise ValueError("layers is no group")
    for name in layers:
        inner = layers[name]
        if isinstance(inner, h5py.Group) and isinstance(inner.get("layers"), h5py.Group):
            yield inner
            yield from _models(inner)


def _class_count(path: Path, file: Path, features: int) -> int:
    """Find the class count of a checkpoint: the width of its last dense layer; 0: it has none.

    Raises:
        ModelFileError: The layer takes other features, so that a network as wide might be huge.
    """
    with opened(file) as model:
        groups = model["layers"]
        dense = sorted(
            (name for name in groups if name == "dense" or name.startswith("dense_")),
            key=lambda name: int(name.partition("_")[2] or 0),
        )
        if not dense:
            return 0
        kernel = groups[dense[-1]]["vars"]["0"]
        if not isinstance(kernel, h5py.Dataset):
            raise ValueError(f"{kernel.name} is not a data set")
        shape = kernel.shape
    if len(shape) != 2 or shape[0] != features:
        raise ModelFileError(
            f"{path}: its last dense layer has shape {shape}; expected ({features}, classes). "
            "Choose the network that the weights were made for; or, if its head is your own, save "
            "the whole model: in model.save('own.keras') the backbone is found by its names."
        )
    return int(shape[1])
