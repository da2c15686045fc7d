"""How PyTorch names and lays out the tensors of torchvision's and timm's networks.

Knows: names, and the four traps of layout: convolutions are OIHW there and HWIO here, dense
layers are transposed, a feature map is flattened CHW there and HWC here, and
BatchNormalization's statistics have other names. Does not know: files, Keras.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_BATCHNORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_WEIGHT = {"weight": "kernel", "bias": "bias"}

VGG_REPEATS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def _resnet(name: str) -> str | None:
    dense = re.fullmatch(r"fc\.(weight|bias)", name)
    if dense:
        return f"head/{_WEIGHT[dense[1]]}"
    stem = re.fullmatch(r"(conv|bn)1\.(\w+)", name)
    if stem:
        return _layer(f"conv1_{stem[1]}", stem[1], stem[2])
    inner = re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(\w+)", name)
    if inner:
        stage, block, kind, number, what = inner.groups()
        return _layer(f"conv{int(stage) + 1}_block{int(block) + 1}_{number}_{kind}", kind, what)
    short = re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\.(\w+)", name)
    if short:
        stage, block, index, what = short.groups()
        kind = ("conv", "bn")[int(index)]
        return _layer(f"conv{int(stage) + 1}_block{int(block) + 1}_0_{kind}", kind, what)
    return None


def _layer(layer: str, kind: str, what: str) -> str | None:
    ours = (_BATCHNORM if kind == "bn" else _WEIGHT).get(what)
    return f"{layer}/{ours}" if ours else None


def _sequence(convolutions: dict[str, str], dense: dict[str, str]) -> Callable[[str], str | None]:
    def names(name: str) -> str | None:
        layer, _, what = name.rpartition(".")
        ours = {**convolutions, **dense}.get(layer)
        return f"{ours}/{_WEIGHT[what]}" if ours and what in _WEIGHT else None

    return names


def _vgg(repeats: tuple[int, ...]) -> Callable[[str], str | None]:
    convolutions, index = {}, 0
    for block, count in enumerate(repeats, 1):
        for number in range(1, count + 1):
            convolutions[f"features.{index}"] = f"block{block}_conv{number}"
            index += 2  # a convolution and its ReLU
        index += 1  # the pooling
    torchvision = {"classifier.0": "fc1", "classifier.3": "fc2", "classifier.6": "head"}
    timm = {"pre_logits.fc1": "fc1", "pre_logits.fc2": "fc2", "head.fc": "head"}
    return _sequence(convolutions, {**torchvision, **timm})


_ALEXNET = _sequence(
    {f"features.{index}": f"block{n}_conv" for n, index in enumerate((0, 3, 6, 8, 10), 1)},
    {"classifier.1": "fc1", "classifier.4": "fc2", "classifier.6": "head"},
)

LAYOUTS: dict[str, Callable[[str], str | None]] = {
    "resnet": _resnet,
    "alexnet": _ALEXNET,
    **{name: _vgg(repeats) for name, repeats in VGG_REPEATS.items()},
}
"""From a network's layout to what turns PyTorch's names into ``LAYER/WEIGHT``."""

IGNORED = re.compile(r".*\.num_batches_tracked")
"""PyTorch's counter of batches has no twin in Keras and changes no answer."""


def to_keras(name: str, tensor: Array, shape: tuple[int, ...], flattened: int | None) -> Array:
    """Convert a tensor to Keras' layout.

    Args:
        name: Ours, ``LAYER/WEIGHT``.
        tensor: As PyTorch has it.
        shape: Shape of the weight it is for.
        flattened: Channels of the feature map whose flattening this dense layer takes; None:
            it takes none.

    Returns:
        The tensor in Keras' order; its shape may still be wrong.
    """
    if not name.endswith("/kernel"):
        return tensor
    if tensor.ndim == 4 and len(shape) == 4:
        return tensor.transpose(2, 3, 1, 0)
    if tensor.ndim == 4:  # timm's VGG has convolutions in place of dense layers
        return tensor.transpose(2, 3, 1, 0).reshape(-1, tensor.shape[0])
    if tensor.ndim == 2 and flattened and tensor.shape[1] % flattened == 0:
        pixels = tensor.shape[1] // flattened
        return tensor.reshape(-1, flattened, pixels).transpose(2, 1, 0).reshape(-1, tensor.shape[0])
    return tensor.transpose() if tensor.ndim == 2 else tensor
