"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998).

Knows: its layers. Does not know: data, preprocessing, training.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def build_lenet5(
    name: str, classes: int, image_size: int, modern: bool = False, **_unused: Any
) -> keras.Model:
    """Build LeNet-5.

    Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86(11), 1998,
    figure 2. As in later implementations, C3 takes all maps of S2, subsampling has no weights, and
    a dense layer replaces the radial basis functions. Pictures have three channels instead of one.
    62,006 parameters at 10 classes and 32 pixels. ``modern``: ReLU and max pooling in place of tanh
    and average pooling.
    """
    activation = "relu" if modern else "tanh"
    pooling = layers.MaxPooling2D if modern else layers.AveragePooling2D
    image = keras.Input((image_size, image_size, 3), name="pixels")
    x = layers.Conv2D(6, 5, activation=activation, name="c1_conv")(image)
    x = pooling(2, name="c1_pool")(x)
    x = layers.Conv2D(16, 5, activation=activation, name="c3_conv")(x)
    x = pooling(2, name="c3_pool")(x)
    x = layers.Conv2D(120, 5, activation=activation, name="c5_conv")(x)
    x = layers.Flatten(name="c5_flatten")(x)
    x = layers.Dense(84, activation=activation, name="f6")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name=name)
