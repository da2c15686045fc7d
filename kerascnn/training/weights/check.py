"""The kind of a weights file, and the networks that can use it.

Knows: file names, the two kinds of HDF5, PyTorch's twins of networks. Does not import Keras: a run
checks its weights before its pictures are decoded.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import h5py

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.files import did_you_mean
from kerascnn.inference.model_file.advice import describe_path
from kerascnn.inference.model_file.kinds import kind_of_model
from kerascnn.printable import first_few
from kerascnn.training.foreign.hdf5 import opened
from kerascnn.training.networks import NETWORKS, Network, find_network
from kerascnn.training.pretrained import source_of
from kerascnn.training.weights_location import KINDS, TORCH_KINDS, on_this_machine

_SHARD = re.compile(r"_\d{5}\.weights\.h5$")
"""Name of a part of weights that Keras split."""


def check_weights(network: str | Network, weights: str) -> Network:
    """Check weights before any data is read, and find the network that can use them.

    Returns:
        The row of the network to build: PyTorch's ResNet50 has its strides at other places than
        Keras', so its weights need a row of their own.

    Raises:
        ConfigError: The network has no such weights.
        ModelFileError: There is no such file, or it is of another kind.
    """
    row = find_network(network) if isinstance(network, str) else network
    if weights == "imagenet":
        source_of(row.name)
    if weights in ("none", "imagenet"):
        return row
    path = on_this_machine(weights)
    return _row_for_torch(row, path) if kind_of(path) in TORCH_KINDS else row


def _row_for_torch(row: Network, path: Path) -> Network:
    """Find the row with the strides and padding that PyTorch's weights were trained with."""
    # timm's ports of TensorFlow's weights have the same tensor names as its own networks.
    ported = path.name.startswith("tf_")
    if row.torch_twin and not (ported and row.torch):
        return NETWORKS[row.torch_twin]
    if row.torch == "efficientnet" and ported == ("torch_epsilon" in row.recipe):
        name = row.name.removesuffix("_torch")
        raise ConfigError(
            f"{path}: weights of timm's tf_{name}, in a file whose name begins with tf_{name}, are "
            f"for the network {name}. Other PyTorch weights are for {name}_torch, which pads as "
            "PyTorch does and exists for B0 to B4."
        )
    if row.torch is None:
        able = ", ".join(one.name for one in NETWORKS.values() if one.torch or one.torch_twin)
        raise ConfigError(
            f"{row.name} takes no weights from PyTorch, whose layers or padding differ from "
            f"Keras's. These networks do: {able}."
        )
    return row


def kind_of(path: Path) -> str:
    """Return the kind of a weights file.

    Raises:
        ModelFileError: There is no such file, or its kind is not supported.
    """
    _refuse_index(path)
    if not path.is_file():
        raise ModelFileError(
            f"{path}: no such file. Expected none, imagenet, or a weights file "
            f"({', '.join(KINDS)}).{did_you_mean(path)}"
        )
    name = path.name.lower().replace(".hdf5", ".h5")
    for kind in KINDS:
        if name.endswith(kind):
            return kind if kind in TORCH_KINDS else _by_content(path, kind)
    raise ModelFileError(
        f"{path}: not a weights file. Expected one of {', '.join(KINDS)}. {describe_path(path)}"
    )


def _refuse_index(path: Path) -> None:
    if path.is_dir():
        raise _folder(path)
    if path.name.lower().endswith(".index.json"):
        raise ModelFileError(
            f"{path}: is an index of weight files. Give one of those; the others next to it are "
            "read too."
        )
    if path.name.endswith(".weights.json") or _SHARD.search(path.name):
        raise ModelFileError(
            f"{path}: one of several files of weights that Keras split. Load them where they were "
            "made, and save them in one: model.save_weights('NAME.weights.h5')."
        )
    if path.suffix == ".index" or path.with_name(f"{path.name}.index").is_file():
        raise ModelFileError(
            f"{path}: a checkpoint of TensorFlow. Load it where it was made, and save the weights "
            "with model.save_weights('NAME.weights.h5')."
        )


def _folder(path: Path) -> ModelFileError:
    found = sorted(str(one) for one in path.iterdir() if one.name.lower().endswith(KINDS))
    told = "" if found else describe_path(path)
    return ModelFileError(
        f"{path}: a folder. Expected a weights file; in it are {first_few(found) or 'none'}. "
        f"{told}".rstrip()
    )


def parts_of(path: Path) -> list[Path]:
    """List all files of weights that were split (``NAME-00001-of-00002.safetensors`` ...), or one.

    Raises:
        ModelFileError: A part is missing.
    """
    part = re.fullmatch(r"(.+-)\d{5}(-of-(\d{5})\..+)", path.name)
    if part is None:
        return [path]
    parts = [
        path.with_name(f"{part[1]}{number:05}{part[2]}") for number in range(1, int(part[3]) + 1)
    ]
    for one in parts:
        if not one.is_file():
            raise ModelFileError(
                f"{path}: one part of the weights, but {one.name} is not next to it. Expected all "
                f"{len(parts)} parts in one folder."
            )
    return parts or [path]


def _by_content(path: Path, kind: str) -> str:
    """Distinguish Keras' three kinds, which often have each other's suffix."""
    if kind_of_model(path) == "keras":
        return ".keras"
    if not h5py.is_hdf5(path):
        return kind
    with suppress(OSError, KeyError, RuntimeError, ValueError), opened(path) as file:
        attributes = file.get("model_weights", file).attrs
        if "layer_names" in attributes or "layer_names0" in attributes:
            return ".h5"
        if "layers" in file:
            return ".weights.h5"
    return kind
