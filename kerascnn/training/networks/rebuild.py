"""A library's model, rebuilt with our layer names, our input and our head.

Knows: how a functional model is rebuilt, layer by layer. Does not know: any network.

Libraries name layers by a process-wide counter (``conv2d_94``), output softmax instead of logits,
and fix the stem. In a rebuilt model every layer's name starts with its block's, whatever was built
before, so that weights are found by name and blocks are easy to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from kerascnn.training.networks.block_names import block_of
from kerascnn.training.networks.depthwise import PerChannelConv2D, is_per_channel

Namer = Callable[[str], str | None]
"""Function from a library's layer name to ours, ``BLOCK_REST``; None: the name does not tell."""

AUTOMATIC = re.compile(
    r"(activation|add|average_pooling2d|batch_normalization|concatenate|conv2d|cropping2d"
    r"|custom_scale_layer|dropout|layer_normalization|max_pooling2d|multiply|normalization|re_lu"
    r"|rescaling|zero_padding2d)(_\d+)?"
)
"""Names that Keras generates."""


@dataclass(frozen=True)
class LayerChanges:
    """Differences from the library's model, by the library's names of layers.

    Layers are left out (``skip``), get another in their place (``replace``), ``before`` or
    ``after`` them, or have other values in their ``config``.
    """

    skip: frozenset[str] = frozenset()
    replace: Mapping[str, layers.Layer] = field(default_factory=dict)
    after: Mapping[str, layers.Layer] = field(default_factory=dict)
    before: Mapping[str, layers.Layer] = field(default_factory=dict)
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def rebuild(
    features: keras.Model,
    name: str,
    classes: int,
    image_size: int,
    names: Mapping[str, str],
    changes: LayerChanges | None = None,
    copy_weights: bool = False,
) -> keras.Model:
    """Rebuild a model with other names and a head of its own.

    Args:
        features: A functional model from ``[batch, size, size, 3]`` to features, of rank 2 or 4.
        image_size: Height and width of the new input, in pixels.

    Returns:
        A model from float32 ``[batch, image_size, image_size, 3]`` to logits
        ``[batch, classes]``, whose last layer is the dense ``head``.
    """
    changes = changes or LayerChanges()
    made: list[_Pair] = []
    image = keras.Input((image_size, image_size, 3), name="pixels")
    trunk = keras.models.clone_model(
        features, image, partial(_cloned, names, changes, made), partial(_called, changes)
    )
    for old, new in made if copy_weights else ():
        copy_values(old, new)
    x = trunk.outputs[0]
    if len(x.shape) == 4:
        x = layers.Flatten(name="flatten")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name=name)


_Pair = tuple[layers.Layer, layers.Layer]
"""A layer of the library's model, and the one in its place."""


def _cloned(names: Mapping[str, str], changes: LayerChanges, made: list[_Pair], layer: Any) -> Any:
    """Make the layer that takes another's place."""
    if not isinstance(layer, layers.Layer):
        return layer  # an operation such as x + y has neither name nor weights to change
    new = changes.replace.get(layer.name) or _copy(
        layer, names[layer.name], changes.config.get(layer.name, {})
    )
    new._kerascnn_origin = layer.name
    made.append((layer, new))
    return new


def _called(changes: LayerChanges, layer: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a layer, or what is to be called in its place, before it and after it."""
    origin = origin_of(layer)
    if origin in changes.skip:
        return args[0]
    if origin in changes.before:
        args = (changes.before[origin](args[0]), *args[1:])
    out = layer(*args, **kwargs)
    return changes.after[origin](out) if origin in changes.after else out


MOMENTUM = 0.9
"""Momentum of every BatchNormalization, as in PyTorch and keras-hub. With the 0.99 or 0.999 of
keras.applications, a run of a few hundred steps is evaluated with statistics of its first ones."""


def _copy(layer: layers.Layer, name: str, changed: Mapping[str, Any]) -> layers.Layer:
    kind = PerChannelConv2D if is_per_channel(layer) else layer.__class__
    config = {**layer.get_config(), "name": name, **changed}
    if isinstance(layer, layers.BatchNormalization):
        config["momentum"] = MOMENTUM
    return kind.from_config(config)


def origin_of(layer: layers.Layer) -> str:
    """Return a layer's name in the library that it comes from; "" for one of our own."""
    origin: str = getattr(layer, "_kerascnn_origin", "")
    return origin


def copy_values(old: layers.Layer, new: layers.Layer) -> None:
    """Copy the weights of a layer to another of the same shape.

    Raises:
        ValueError: Their shapes differ (Keras' own message).
    """
    new.set_weights(old.get_weights())
    apply_statistics(new)


def apply_statistics(layer: layers.Layer) -> None:
    """Make a Normalization layer use statistics that were assigned to it."""
    if isinstance(layer, layers.Normalization):
        layer.finalize_state()


def before_head(model: keras.Model) -> keras.Model:
    """Cut off the last layer with weights and all layers after it."""
    head = next(layer for layer in reversed(model.layers) if layer.weights)
    return keras.Model(model.inputs[0], head.input)


def named(features: keras.Model, namer: Namer) -> dict[str, str]:
    """Name every layer after its block.

    A layer with an uninformative name belongs to the block before it (at the start, to the first
    one), and is numbered within it.
    """
    told = [(layer.name, namer(layer.name)) for layer in _real_layers(features)]
    block = next((block_of(new) for _, new in told if new), "stem")
    names: dict[str, str] = {}
    for old, new in told:
        block = block_of(new) if new else block
        names[old] = new or _numbered(block, old, names.values())
    return names


def closed_by(features: keras.Model, closing: Callable[[str, int], str | None]) -> dict[str, str]:
    """Name every layer after its block, if only a block's last layer identifies it.

    Args:
        features: A library's model, in which each block passes one tensor to the next.
        closing: Function from a layer's name and the number of max poolings so far to the block
            that ends with it, or None.
    """
    names: dict[str, str] = {}
    waiting: list[str] = []
    pools = 0
    for layer in _real_layers(features):
        pools += isinstance(layer, layers.MaxPooling2D)
        waiting.append(layer.name)
        block = closing(layer.name, pools)
        if block:
            _name_all(waiting, block, names)
            waiting = []
    _name_all(waiting, "top", names)
    return names


def _name_all(waiting: Sequence[str], block: str, names: dict[str, str]) -> None:
    for old in waiting:
        names[old] = _numbered(block, old, names.values())


def _real_layers(model: keras.Model) -> list[layers.Layer]:
    return [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def _numbered(block: str, old: str, taken: Any) -> str:
    kind = AUTOMATIC.fullmatch(old)
    stem = f"{block}_{kind.group(1) if kind else old}"
    if stem not in taken and not kind:
        return stem
    number = 1 + sum(1 for name in taken if re.fullmatch(re.escape(stem) + r"\d+", name))
    return f"{stem}{number}"


def copy_in_order(donor: keras.Model, model: keras.Model) -> None:
    """Copy the weights between two builds of one network, which may differ in image size.

    Raises:
        ValueError: The builds differ: one has an extra layer, or one of another shape.
    """
    pairs = zip(_weighted(donor), _weighted(model), strict=True)
    for old, new in pairs:
        if [np.shape(w) for w in old.weights] != [np.shape(w) for w in new.weights]:
            raise ValueError(
                f"layer {new.name} has {[tuple(w.shape) for w in new.weights]}, and the weights "
                f"are {[tuple(w.shape) for w in old.weights]}"
            )
        copy_values(old, new)


def _weighted(model: keras.Model) -> list[layers.Layer]:
    return [layer for layer in model.layers if layer.weights]
