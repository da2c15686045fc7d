"""Assignment of named tensors to a network, with every name and shape checked.

Knows: what may be missing (a head of another class count) and what may not. Does not know: files.
"""

from __future__ import annotations

import logging
from collections.abc import Set

import keras
import numpy as np
from keras import layers

from kerascnn.errors import ModelFileError
from kerascnn.training.networks.blocks import flat, head_of
from kerascnn.training.networks.rebuild import apply_statistics
from kerascnn.training.networks.row import IMAGENET_DEVIATION, IMAGENET_MEAN
from kerascnn.training.weights.files import key
from kerascnn.training.weights.own_heads import split_own_linear
from kerascnn.training.weights.torch_files import Tensors
from kerascnn.training.weights.torch_modules import module_names, not_this_network
from kerascnn.training.weights.torch_names import IGNORED, LAYOUTS, to_keras, without_batchnorm

log = logging.getLogger(__name__)

HIDDEN = ("post_layernorm", "fc1", "fc2")
"""Layers that libraries count as part of the head (``include_top=False`` leaves them out). Keras'
ConvNeXt then has a normalization before the pooling, whose values do not fit the one after it."""


def assign(model: keras.Model, tensors: Tensors, source: str) -> bool:
    """Set a network's weights from a file.

    Nothing is changed before everything is checked.

    Args:
        model: Network from normalized pixels to logits.

    Returns:
        Whether the file has the head; otherwise the head keeps its initial weights.

    Raises:
        ModelFileError: A tensor is missing, left over, or of another shape; the message names the
            first.
    """
    head = head_of(model)
    wanted = {
        key(layer.name, weight.name): (layer, weight)
        for layer in flat(model)
        for weight in layer.weights
        if "seed_generator" not in weight.path
    }
    tensors = {name: value for name, value in tensors.items() if "seed_generator" not in name}
    fresh = _missing_hidden_layers(model, tensors, source)
    with_head = not fresh and _head_fits(head, tensors, source)
    fresh |= set() if with_head else {head.name}
    body = {name: pair for name, pair in wanted.items() if pair[0].name not in fresh}
    for name, (_layer, weight) in body.items():
        _check(name, tuple(weight.shape), tensors, source)
    _check_used(model, tensors, wanted.keys(), source)
    _check_finite({name: tensors[name] for name in body}, source)
    for name, (_layer, weight) in body.items():
        weight.assign(tensors[name].astype(np.float32))
    for layer in flat(model):
        apply_statistics(layer)
    return with_head


def _check_used(model: keras.Model, tensors: Tensors, wanted: Set[str], source: str) -> None:
    head = head_of(model).name
    left = [name for name in tensors if name not in wanted and name.partition("/")[0] != head]
    if left:
        raise ModelFileError(
            f"{source}: {model.name} has no {left[0]} {tensors[left[0]].shape}, which is in the "
            f"file ({len(left)} such tensors). Choose the network that the weights were made for."
        )


def _check_finite(tensors: Tensors, source: str) -> None:
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise ModelFileError(
                f"{source}: {name} holds numbers that are not finite, as after a training that "
                "failed. Expected weights of an earlier epoch."
            )


def from_torch(model: keras.Model, layout: str, tensors: Tensors, source: str) -> Tensors:
    """Rename and transpose PyTorch's tensors for the network, to ``LAYER/WEIGHT``.

    Raises:
        ModelFileError: A name is not in the layout.
    """
    shapes = {key(la.name, w.name): tuple(w.shape) for la in flat(model) for w in la.weights}
    flattened = _flattened(model)
    head = head_of(model)
    given = tensors
    tensors = without_batchnorm(module_names(tensors, layout, source), layout)
    tensors, converted = split_own_linear(
        tensors, LAYOUTS[layout], head.name, tuple(head.kernel.shape), source
    )
    converted |= _statistics(model)
    for theirs, tensor in tensors.items():
        if IGNORED.fullmatch(theirs):
            continue
        ours = LAYOUTS[layout](theirs)
        if ours is None:
            raise not_this_network(given, layout, f"{theirs} {tensor.shape}", source)
        channels = flattened.get(ours.partition("/")[0])
        converted[ours] = to_keras(ours, tensor, shapes.get(ours, ()), channels)
    return converted


def _statistics(model: keras.Model) -> Tensors:
    """Return ImageNet's statistics for EfficientNet's first layer; PyTorch applies them first."""
    # EfficientNet divides by the deviation in two steps, so that its "variance" is the deviation.
    values = {"mean": IMAGENET_MEAN, "variance": IMAGENET_DEVIATION, "count": 0}
    return {
        key(layer.name, weight.name): np.asarray(values[weight.name], np.float32)
        for layer in flat(model)
        if isinstance(layer, layers.Normalization)
        for weight in layer.weights
    }


def _flattened(model: keras.Model) -> dict[str, int]:
    """Return the dense layers that take a flattened feature map, with its channels."""
    found: dict[str, int] = {}
    channels: int | None = None
    for layer in flat(model):
        if isinstance(layer, layers.Flatten):
            channels = layer.input.shape[-1]
        elif isinstance(layer, layers.Dense) and channels:
            found[layer.name] = channels
            channels = None
    return found


def _missing_hidden_layers(model: keras.Model, tensors: Tensors, source: str) -> set[str]:
    """Return the layers before the head that the file leaves out together with it."""
    hidden = [layer.name for layer in flat(model) if layer.name in HIDDEN]
    if not hidden or any(name.startswith(tuple(f"{one}/" for one in hidden)) for name in tensors):
        return set()
    log.warning(
        "%s: no head in it, and none of %s, which also belong to the head; new ones are trained, "
        "with `trainable` from:%s.",
        source, " and ".join(hidden), hidden[0],
    )  # fmt: skip
    return set(hidden)


def _head_fits(head: layers.Dense, tensors: Tensors, source: str) -> bool:
    kernel = tensors.get(f"{head.name}/kernel")
    if kernel is None:
        log.warning("%s: no head in it; a new one is trained.", source)
        return False
    if kernel.ndim == 2 and kernel.shape[-1] == head.units and kernel.shape != head.kernel.shape:
        log.warning(
            "%s: its head takes %d features, that of the network %d; a new one is trained.",
            source, kernel.shape[0], head.kernel.shape[0],
        )  # fmt: skip
        return False
    if kernel.ndim == 2 and kernel.shape[-1] != head.units:
        log.warning(
            "%s: its head has %d classes, the data %d; a new one is trained.",
            source,
            kernel.shape[-1],
            head.units,
        )
        return False
    return True


def _check(name: str, shape: tuple[int, ...], tensors: Tensors, source: str) -> None:
    if name not in tensors:
        raise ModelFileError(
            f"{source}: {name} {shape} is not in the file. "
            "Choose the network that the weights were made for."
        )
    if tensors[name].shape != shape:
        hint = ""
        if name == "fc1/kernel":
            hint = (
                " This layer depends on `image_size`: use the size that the weights were made for."
            )
        if name == "conv1_conv/kernel" and tensors[name].shape[2:] == shape[2:]:
            hint = " The stem differs: resnet18_small has a 3x3 one, the other ResNets a 7x7 one."
        raise ModelFileError(
            f"{source}: {name} has shape {tensors[name].shape}, expected {shape}.{hint}"
        )
