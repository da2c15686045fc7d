"""ResNet as in PyTorch (from keras-hub), and as in keras-cv.

Knows: how to get a backbone without weights from the two libraries. Does not know: data,
preprocessing, keras.applications' ResNets (:mod:`.applications`).

The two differ in padding: at a stride of 2, PyTorch and keras-hub pad both sides, keras-cv ("same")
only the bottom and right. So the same weights give different predictions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
from keras import layers

from kerascnn.errors import needs_extra
from kerascnn.training.networks.rebuild import LayerChanges, copy_in_order, named, rebuild

FILTERS = [64, 128, 256, 512]
STRIDES = [1, 2, 2, 2]
"""Filters and strides of the four stages, as in He et al., Deep Residual Learning (2015), table
1."""


def keras_hub() -> Any:
    """Import keras-hub.

    Raises:
        MissingExtraError: It is not installed.
    """
    with needs_extra("train", "for this network"):
        import keras_hub as module
    return module


def build_hub_resnet(
    name: str,
    classes: int,
    image_size: int,
    blocks: tuple[int, ...],
    block_type: str,
    small_stem: bool = False,
    width: int = 1,
    groups: int = 1,
    imagenet: Path | None = None,
    preset: str = "",  # noqa: ARG001 - part of the recipe, for what fetches the weights
) -> keras.Model:
    """Build a ResNet whose padding and strides are PyTorch's, on keras-hub's backbone.

    Deep Residual Learning for Image Recognition (https://arxiv.org/abs/1512.03385); with
    bottlenecks, the stride is in the 3x3 convolution, as torchvision and timm have it ("v1.5").

    Args:
        image_size: Height and width of the input in pixels.
        blocks: Number of blocks in each of the four stages.
        block_type: ``basic_block`` or ``bottleneck_block``.
        small_stem: Stem of 3x3 and stride 1, without pooling.
        width: Factor on the inner channels of bottlenecks.
        groups: Number of groups of the 3x3 convolutions of bottlenecks.
        imagenet: Folder of keras-hub's preset of ImageNet weights; None: random weights.

    Returns:
        A model from float32 ``[batch, image_size, image_size, 3]`` to logits
        ``[batch, classes]``. ResNet18: 11,177,538 parameters at 2 classes.
    """
    hub = keras_hub()
    backbone = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=FILTERS,
        stackwise_num_blocks=list(blocks),
        stackwise_num_strides=STRIDES,
        block_type=block_type,
        image_shape=(image_size, image_size, 3),
    )
    if imagenet:
        copy_in_order(hub.models.ResNetBackbone.from_preset(str(imagenet)), backbone)
    changes = _with_small_stem() if small_stem else _widened(backbone, width, groups)
    return _classifier(backbone, name, classes, image_size, imagenet is not None, changes)


def build_cv_resnet(
    name: str, classes: int, image_size: int, blocks: tuple[int, ...], **_unused: Any
) -> keras.Model:
    """Build a ResNet of ``blocks`` basic blocks in the four stages, on keras-cv's backbone.

    Raises:
        MissingExtraError: keras-cv is not installed.
    """
    with needs_extra("keras-cv", f"for {name}"):
        import keras_cv
    # Its ResNet18Backbone asks Kaggle for presets even if no weights are wanted.
    backbone = keras_cv.models.ResNetBackbone(
        stackwise_filters=FILTERS,
        stackwise_blocks=list(blocks),
        stackwise_strides=STRIDES,
        block_type="basic_block",
        include_rescaling=False,
        input_shape=(image_size, image_size, 3),
    )
    return _classifier(backbone, name, classes, image_size, False, LayerChanges())


def _with_small_stem() -> LayerChanges:
    """Change a ResNet's stem to a 3x3 convolution of stride 1 without pooling.

    For pictures as small as CIFAR's (He et al. 2016, https://arxiv.org/abs/1512.03385, 4.2).
    """
    convolution = layers.Conv2D(64, 3, padding="same", use_bias=False, name="conv1_conv")
    return LayerChanges(
        skip=frozenset({"conv1_pad", "pool1_pad", "pool1_pool"}),
        replace={"conv1_conv": convolution},
    )


def _widened(backbone: keras.Model, width: int, groups: int) -> LayerChanges:
    """Give bottlenecks the inner convolutions of ResNeXt or Wide ResNet.

    https://arxiv.org/abs/1611.05431 and https://arxiv.org/abs/1605.07146, as in torchvision.
    """
    if width == 1:
        return LayerChanges()
    config: dict[str, dict[str, Any]] = {}
    for layer in backbone.layers:
        inner = re.fullmatch(r"stack\d_block\d+_([12])_conv", layer.name)
        if inner:
            config[layer.name] = {"filters": layer.filters * width}
        if inner and inner[1] == "2":
            config[layer.name]["groups"] = groups
    return LayerChanges(config=config)


def _classifier(
    backbone: keras.Model,
    name: str,
    classes: int,
    image_size: int,
    copy: bool,
    changes: LayerChanges,
) -> keras.Model:
    x = layers.GlobalAveragePooling2D(name="avg_pool")(backbone.outputs[0])
    features = keras.Model(backbone.inputs[0], x)
    return rebuild(
        features, name, classes, image_size, named(features, _namer), changes, copy_weights=copy
    )


def _namer(name: str) -> str | None:
    """Name a layer as keras.applications would: ``stack0_block1_2_bn`` is ``conv2_block2_2_bn``."""
    hub = re.match(r"stack(\d)_block(\d+)_", name)
    if hub:
        return f"conv{int(hub[1]) + 2}_block{int(hub[2]) + 1}_{name[hub.end() :]}"
    cv = re.match(r"v2_stack_(\d)_block(\d+)_", name)
    if cv:
        return f"conv{int(cv[1]) + 2}_block{cv[2]}_{name[cv.end() :]}"
    return f"conv1_{name}" if name.startswith("pool1") else name
