"""The networks of keras.applications, with our layer names and our head.

Knows: how each family of that library names its layers. Does not know: data, training, where a
row's numbers come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
from keras import layers

from kerascnn.training.networks.rebuild import (
    AUTOMATIC,
    LayerChanges,
    before_head,
    closed_by,
    copy_in_order,
    named,
    rebuild,
)
from kerascnn.training.networks.row import IMAGENET_DEVIATION


def features_of(application: str, image_size: int, imagenet: Path | None) -> keras.Model:
    """Build a network of keras.applications up to its head.

    Raises:
        ValueError: The weights do not fit this image size.
    """
    constructor = getattr(keras.applications, application)
    model = constructor(
        weights=None, input_shape=(image_size, image_size, 3), classifier_activation=None
    )
    if imagenet:
        # Built at the weights' own image size, for its values alone.
        copy_in_order(before_head(constructor(weights=str(imagenet))), before_head(model))
    return before_head(model)


def build_application(
    name: str,
    classes: int,
    image_size: int,
    application: str,
    names: str,
    imagenet: Path | None = None,
    smallest: int = 32,
    torch_epsilon: float | None = None,
) -> keras.Model:
    """Build a network of keras.applications.

    Args:
        image_size: Height and width of the input in pixels.
        names: Naming scheme of its layers; a key of :data:`NAMES`.
        imagenet: The library's file of ImageNet weights; None: random weights.
        smallest: Minimum size that the library enforces; the network itself may work below it.
        torch_epsilon: Epsilon of BatchNormalization, with padding as in PyTorch; None: Keras'
            epsilon and padding.

    Returns:
        A model from float32 ``[batch, image_size, image_size, 3]`` to logits
        ``[batch, classes]``.

    Raises:
        ValueError: ImageNet weights do not fit.
    """
    features = features_of(application, max(image_size, smallest), imagenet)
    changes = _like_imagenet(features) if names == "efficientnet" else LayerChanges()
    if torch_epsilon is not None:
        changes = _like_torch(features, changes, torch_epsilon)
    return rebuild(
        features,
        name,
        classes,
        image_size,
        NAMES[names](features),
        changes,
        copy_weights=imagenet is not None,
    )


def _like_imagenet(features: keras.Model) -> LayerChanges:
    """Add the layer to EfficientNet that Keras adds only with ImageNet weights.

    With it, and the statistics below, the first layers compute ``(x / 255 - mean) / deviation``:
    see the comment in keras/src/applications/efficientnet.py.
    """
    norm = next(layer for layer in features.layers if isinstance(layer, layers.Normalization))
    factors = [deviation**-0.5 for deviation in IMAGENET_DEVIATION]
    return LayerChanges(after={norm.name: layers.Rescaling(factors, name="stem_rescaling2")})


def _like_torch(features: keras.Model, changes: LayerChanges, epsilon: float) -> LayerChanges:
    """Use PyTorch's symmetric padding at stride 2, and its epsilon in BatchNormalization.

    TensorFlow pads only the bottom and right, so its convolutions see other pixels.
    """
    config: dict[str, dict[str, Any]] = {}
    before: dict[str, layers.Layer] = {}
    for layer in features.layers:
        if isinstance(layer, layers.BatchNormalization):
            config[layer.name] = {"epsilon": epsilon}
        elif isinstance(layer, layers.ZeroPadding2D):
            both = max(side for axis in layer.padding for side in axis)
            config[layer.name] = {"padding": ((both, both), (both, both))}
        elif (
            isinstance(layer, layers.Conv2D) and layer.padding == "same" and max(layer.strides) > 1
        ):
            config[layer.name] = {"padding": "valid"}
            both = layer.kernel_size[0] // 2
            before[layer.name] = layers.ZeroPadding2D(both, name=f"{layer.name.lower()}_pad")
    return replace(changes, config=config, before=before)


def _by_rules(*rules: tuple[str, str]) -> Callable[[keras.Model], dict[str, str]]:
    """Make a namer from regular expressions; unmatched names stay, automatic ones are dropped."""

    def namer(name: str) -> str | None:
        for pattern, replacement in rules:
            if re.search(pattern, name):
                return re.sub(pattern, replacement, name)
        return None if AUTOMATIC.fullmatch(name) else name

    return lambda features: named(features, namer)


def _inception(features: keras.Model) -> dict[str, str]:
    def closing(name: str, pools: int) -> str | None:
        if name.startswith("max_pooling2d") and pools == 2:
            return "stem"
        return name if re.fullmatch(r"mixed\d+", name) else None

    return closed_by(features, closing)


def _inception_resnet(features: keras.Model) -> dict[str, str]:
    def closing(name: str, pools: int) -> str | None:
        if name.startswith("max_pooling2d") and pools == 2:
            return "stem"
        if re.fullmatch(r"mixed_\d[ab]", name):
            return name.replace("_", "")
        residual = re.fullmatch(r"block(\d+)_(\d+)_ac", name)
        return f"stage{residual[1]}_block{residual[2]}" if residual else None

    return closed_by(features, closing)


def _nasnet(features: keras.Model) -> dict[str, str]:
    def namer(name: str) -> str | None:
        if AUTOMATIC.fullmatch(name):
            return None
        cell = re.search(r"_(stem_|reduce_)?(\d+)$", name)
        if cell:
            kind = {"stem_": "reduction", "reduce_": "reduce", None: "cell"}[cell[1]]
            return f"{kind}{cell[2]}_{name[: cell.start()]}"
        return name

    return named(features, namer)


_RESNET = _by_rules((r"^pool1_", "conv1_pool_"))

NAMES: dict[str, Callable[[keras.Model], dict[str, str]]] = {
    "resnet": _RESNET,
    "resnet_v2": _RESNET,
    "densenet": _by_rules(
        (r"^pool1$", "conv1_pool"), (r"^pool(\d)_", r"transition\1_"), (r"^(bn|relu)$", r"post_\1")
    ),
    "efficientnet": _by_rules(),
    "efficientnet_v2": _by_rules(),
    "xception": _by_rules(),
    "mobilenet": _by_rules((r"^conv_(dw|pw|pad)_(\d+)", r"block\2_\1"), (r"^conv1$", "conv1_conv")),
    "mobilenet_v2": _by_rules(
        (r"^Conv1$", "conv1_conv"),
        (r"^bn_Conv1$", "conv1_bn"),
        (r"^Conv1_relu$", "conv1_relu"),
        (r"^expanded_conv_", "block0_"),
        (r"^block_(\d+)_", r"block\1_"),
        (r"^Conv_1$", "top_conv"),
        (r"^Conv_1_", "top_"),
        (r"^out_relu$", "top_relu"),
    ),
    "mobilenet_v3": _by_rules(
        (r"^conv$", "conv1_conv"),
        (r"^conv_bn$", "conv1_bn"),
        (r"^expanded_conv_(\d+)_", r"block\1_"),
        (r"^expanded_conv_", "block0_"),
        (r"^conv_1$", "top_conv"),
        (r"^conv_1_", "top_"),
        (r"^conv_2$", "fc1"),
    ),
    "convnext": _by_rules(
        (r"^convnext_[a-z]+_prestem_", "stem_pre"),
        (r"^convnext_[a-z]+_stem", "stem"),
        (r"^convnext_[a-z]+_stage_(\d)_block_(\d+)_", r"stage\1_block\2_"),
        (r"^convnext_[a-z]+_downsampling_block_(\d)", r"downsampling\1"),
        (r"^convnext_[a-z]+_head_layernorm", "post_layernorm"),
    ),
    "inception": _inception,
    "inception_resnet": _inception_resnet,
    "nasnet": _nasnet,
}
"""Naming scheme of each family: from a model to the new names of its layers."""
