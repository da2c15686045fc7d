"""The baseline CNN of the course, and a deeper one for photographs.

Knows: their layers. Does not know: data, preprocessing, training.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def build_cnn(name: str, classes: int, image_size: int, **_unused: Any) -> keras.Model:
    """Build the baseline CNN: two convolutions and two dense layers.

    Conv 7 of 5x5 without padding, conv 15 of 5x5 with padding 2, each with
    BatchNormalization, ReLU and 2x2 max pooling; dense 300, dense ``classes``. 227,026
    parameters at 10 classes and 32 pixels.
    """
    image = keras.Input((image_size, image_size, 3), name="pixels")
    x = _block(image, "block1", filters=7, side=5, padding="valid")
    x = _block(x, "block2", filters=15, side=5, padding="same")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(300, activation="relu", name="hidden")(x)
    logits = layers.Dense(classes, name="head")(x)
    return keras.Model(image, logits, name=name)


def build_cnn4(name: str, classes: int, image_size: int, **_unused: Any) -> keras.Model:
    """Build a CNN of four convolutions and one dense layer.

    Conv 16, 32, 64 and 128 of 3x3, each with BatchNormalization, ReLU and 2x2 max pooling; global
    average pooling; dense ``classes``. At 64 pixels it sees four times as much detail as the
    baseline, and has fewer than half of its parameters to fit to few pictures: 99,210 at 10
    classes.
    """
    x = image = keras.Input((image_size, image_size, 3), name="pixels")
    for number, filters in enumerate((16, 32, 64, 128), start=1):
        x = _block(x, f"block{number}", filters, side=3, padding="same")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name=name)


def _block(
    x: keras.KerasTensor, name: str, filters: int, side: int, padding: str
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, side, padding=padding, name=f"{name}_conv")(x)
    # PyTorch's defaults, as in the course: epsilon 1e-5, and a momentum of 0.1, which is 0.9 in
    # Keras.
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_bn")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.MaxPooling2D(2, name=f"{name}_pool")(x)
