"""AlexNet in one tower (Krizhevsky 2014), as in torchvision.

Knows: its layers. Does not know: data, preprocessing, training.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kerascnn.training.networks.vgg import dense_layers

_CONVOLUTIONS = (
    # filters, kernel, stride, padding, whether a pooling follows
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


def build_alexnet(name: str, classes: int, image_size: int, **_unused: Any) -> keras.Model:
    """Build AlexNet.

    ImageNet Classification with Deep Convolutional Neural Networks (NIPS 2012), in the single
    tower of One Weird Trick for Parallelizing Convolutional Neural Networks
    (https://arxiv.org/abs/1404.5997), with symmetric padding as in PyTorch.
    61,100,840 parameters at 1,000 classes and 224 pixels.
    """
    image = keras.Input((image_size, image_size, 3), name="pixels")
    x = image
    for number, (filters, kernel, stride, padding, pools) in enumerate(_CONVOLUTIONS, 1):
        x = layers.ZeroPadding2D(padding, name=f"block{number}_pad")(x)
        x = layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"block{number}_conv",
        )(x)
        if pools:
            x = layers.MaxPooling2D(3, strides=2, name=f"block{number}_pool")(x)
    x = dense_layers(x, dropout_first=True)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name=name)
