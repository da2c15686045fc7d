"""The ResNets for pictures of 32 pixels.

Knows: their layers. Does not know: data, preprocessing, training, the ResNets for pictures of 224
pixels (:mod:`.resnet`).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

FILTERS = (16, 32, 64)
"""Filters of each stage (He et al. 2016, section 4.2)."""


def build_cifar_resnet(
    name: str, classes: int, image_size: int, blocks: int, **_unused: Any
) -> keras.Model:
    """Build the ResNet of He et al. 2016, section 4.2 (https://arxiv.org/abs/1512.03385).

    Conv 16 of 3x3; three stages of 16, 32 and 64 filters, each of ``blocks`` blocks of two convs of
    3x3; global average pooling; dense ``classes``. Shortcuts have no weights (the paper's option
    A): at the start of a stage they take every second pixel, and zeros for new channels. ``blocks``
    is the paper's n: 6n + 2 layers have weights; 269,722 parameters with 3 blocks and 10 classes.
    """
    image = keras.Input((image_size, image_size, 3), name="pixels")
    x = _convolved(image, "conv1_", FILTERS[0])
    x = layers.ReLU(name="conv1_relu")(x)
    for stage, filters in enumerate(FILTERS):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _block(x, f"conv{stage + 2}_block{block + 1}_", filters, stride)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name=name)


def build_resnet9(
    name: str, classes: int, image_size: int, filters: int, **_unused: Any
) -> keras.Model:
    """Build the ResNet of Page 2018 (https://myrtle.ai/learn/how-to-train-your-resnet/).

    Eight convs of 3x3, each with BatchNormalization and ReLU: ``conv1`` (his ``prep``);
    ``layer1``, ``layer2`` and ``layer3``, each of which begins with a conv of twice the filters and
    2x2 max pooling; a residual branch of two convs in ``layer1`` and ``layer3``. Then global max
    pooling and dense ``classes``. Page divides the logits by 8, which is left out: the learning
    rate is chosen without. 6,573,130 parameters with 64 filters in ``conv1`` and 10 classes, as in
    his.
    """
    image = keras.Input((image_size, image_size, 3), name="pixels")
    x = _activated(image, "conv1_", filters)
    for layer in (1, 2, 3):
        x = _activated(x, f"layer{layer}_", filters * 2**layer)
        x = layers.MaxPooling2D(2, name=f"layer{layer}_pool")(x)
        if layer != 2:
            branch = _activated(x, f"layer{layer}_branch1_", filters * 2**layer)
            branch = _activated(branch, f"layer{layer}_branch2_", filters * 2**layer)
            x = layers.Add(name=f"layer{layer}_add")([x, branch])
    x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name=name)


def _activated(x: keras.KerasTensor, name: str, filters: int) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}relu")(_convolved(x, name, filters))


def _block(x: keras.KerasTensor, name: str, filters: int, stride: int) -> keras.KerasTensor:
    shortcut = x if stride == 1 else _downsampled(x, f"{name}0_", filters, stride)
    x = _convolved(x, f"{name}1_", filters, stride)
    x = layers.ReLU(name=f"{name}1_relu")(x)
    x = _convolved(x, f"{name}2_", filters)
    x = layers.Add(name=f"{name}add")([shortcut, x])
    return layers.ReLU(name=f"{name}out")(x)


def _convolved(x: keras.KerasTensor, name: str, filters: int, stride: int = 1) -> keras.KerasTensor:
    if stride > 1:
        # Both sides: "same" would pad only the bottom and right, and the windows would not be
        # centered on the pixels that the shortcut takes.
        x = layers.ZeroPadding2D(1, name=f"{name}pad")(x)
    x = layers.Conv2D(
        filters,
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}conv",
    )(x)
    # As in PyTorch and in cnn.py.
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}bn")(x)


def _downsampled(x: keras.KerasTensor, name: str, filters: int, stride: int) -> keras.KerasTensor:
    # Pooling of 1x1 takes every second pixel unchanged.
    x = layers.AveragePooling2D(1, strides=stride, name=f"{name}pool")(x)
    new = filters - x.shape[-1]
    # Keras pads the last two axes of "channels_first": here these are width and channels.
    return layers.ZeroPadding2D(
        ((0, 0), (new // 2, new - new // 2)), data_format="channels_first", name=f"{name}zeros"
    )(x)
