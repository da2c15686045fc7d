"""Keras' ``.weights.h5``, which identifies layers only by kind and order.

Knows: a second build of the network (its twin) reads it, and users' own models hold the backbone as
a nested model. Does not know: layer names, how tensors are assigned.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import keras

from kerascnn.errors import ModelFileError, one_line
from kerascnn.training.foreign.hdf5 import check_values, opened
from kerascnn.training.networks import Network, build_network
from kerascnn.training.networks.blocks import head_of
from kerascnn.training.weights.assign import HIDDEN
from kerascnn.training.weights.files import tensors_of
from kerascnn.training.weights.torch_files import Tensors


def from_checkpoint(core: keras.Model, row: Network, path: Path) -> Tensors:
    """Read ``.weights.h5`` of a network, or of a model around its backbone, through a twin of it.

    Raises:
        ModelFileError: It holds other weights.
    """
    try:
        with _innermost(path) as file:
            classes = _class_count(file, head_of(core).kernel.shape[0])
            twin = build_network(row, classes or 1, core.input_shape[1])
            *others, last = [twin] if classes else _without_head(twin)
            for model in others:
                with suppress(ValueError, UserWarning):
                    return _loaded(model, file)
            return _loaded(last, file)
    except ModelFileError:
        raise
    except Exception as error:
        # A warning, or an error of any class that Keras and h5py raise on an inconsistent file.
        reason = one_line(error)
        if path.with_name("task.json").is_file() and path.name == "task.weights.h5":
            raise ModelFileError(
                f"{path}: holds the head alone, as keras-hub saves it. Give the backbone: "
                f"{path.with_name('model.weights.h5')}."
            ) from error
        raise ModelFileError(
            f"{path}: not weights of {row.name} ({reason}). It is truncated, or made for another "
            "network."
        ) from error


def _without_head(twin: keras.Model) -> list[keras.Model]:
    """Cut off the head, and then the layers that libraries count as part of it."""
    cuts = [layer for layer in twin.layers if layer.name in HIDDEN][:1]
    return [keras.Model(twin.inputs[0], cut.input) for cut in (twin.layers[-1], *cuts)]


def _loaded(model: keras.Model, file: Path) -> Tensors:
    """Load a file into a model.

    Raises:
        ValueError: A shape differs, or the file has more convolutions.
        UserWarning: A layer is not in the file.
    """
    with warnings.catch_warnings():
        # Keras only warns of layers that it does not find; here all must be found.
        warnings.simplefilter("error", UserWarning)
        model.load_weights(file)
    tensors, kernels = tensors_of(model), list[str]()
    with opened(file) as opened_file:
        opened_file["layers"].visititems(
            lambda name, found: kernels.append(name) if getattr(found, "ndim", 0) == 4 else None
        )
    if len(kernels) != sum(tensor.ndim == 4 for tensor in tensors.values()):
        raise ValueError(f"it has {len(kernels)} convolutions")
    return tensors


@contextmanager
def _innermost(path: Path) -> Iterator[Path]:
    """Yield the file itself, or a copy of its nested model with the most layers."""
    with opened(path) as file:
        check_values(path, file)
        models = [file, *_models(file)]
        largest = max(models, key=lambda model: len(model["layers"]))
        if largest.name == "/" and path.name.endswith(".weights.h5"):  # else Keras refuses it
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
        raise ValueError("layers is not a group")
    for name in layers:
        inner = layers[name]
        if isinstance(inner, h5py.Group) and isinstance(inner.get("layers"), h5py.Group):
            yield inner
            yield from _models(inner)


def _class_count(file: Path, features: int) -> int:
    """Return the width of a checkpoint's last dense layer.

    0 if none takes the network's features: a head as wide as another layer might be huge.
    """
    with opened(file) as model:
        groups = model["layers"]
        dense = sorted(
            (name for name in groups if name == "dense" or name.startswith("dense_")),
            key=lambda name: int(name.partition("_")[2] or 0),
        )
        if not dense:
            return 0
        shapes = [_shape(groups[name]["vars"]["0"]) for name in dense]
    *before, shape = shapes
    if shape[0] == features:
        return shape[1]
    if before and before[-1][1] != shape[0]:
        raise ValueError(
            f"its last dense layer has shape {shape}, after one of shape {before[-1][1]}"
        )
    return 0  # a custom head


def _shape(kernel: h5py.Group | h5py.Dataset) -> tuple[int, int]:
    """Return a dense kernel's shape; ValueError if it is none."""
    if not isinstance(kernel, h5py.Dataset):
        raise ValueError(f"{kernel.name} is not a data set")
    if kernel.ndim != 2:
        raise ValueError(f"its last dense layer has shape {kernel.shape}")
    return kernel.shape[0], kernel.shape[1]
