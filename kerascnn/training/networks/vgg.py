"""VGG (Simonyan and Zisserman 2015): 11 and 13 through keras-hub, 16 and 19 through Keras.

Knows: which library has which, and the dense layers. Does not know: data, preprocessing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras import layers

from kerascnn.training.networks.applications import features_of
from kerascnn.training.networks.rebuild import LayerChanges, rebuild

DROPOUT = 0.5
"""Dropout rate of the dense layers, from the papers of AlexNet and VGG."""


def dense_layers(x: keras.KerasTensor, dropout_first: bool = False) -> keras.KerasTensor:
    """Add the two dense layers of AlexNet and VGG to a feature map: ``[batch, 4096]``.

    Args:
        dropout_first: Dropout before each dense layer (AlexNet) instead of after it (VGG).
    """
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        if dropout_first:
            x = layers.Dropout(DROPOUT, name=f"{name}_dropout")(x)
        x = layers.Dense(4096, activation="relu", kernel_initializer="he_normal", name=name)(x)
        if not dropout_first:
            x = layers.Dropout(DROPOUT, name=f"{name}_dropout")(x)
    return x


def build_hub_vgg(
    name: str, classes: int, image_size: int, repeats: tuple[int, ...], **_unused: Any
) -> keras.Model:
    """Build VGG11 or VGG13 on keras-hub's backbone.

    Very Deep Convolutional Networks for Large-Scale Image Recognition
    (https://arxiv.org/abs/1409.1556), configurations A and B; ``repeats``: convolutions in
    each of the five blocks.
    """
    from kerascnn.training.networks.resnet import keras_hub

    backbone = keras_hub().models.VGGBackbone(
        stackwise_num_repeats=list(repeats),
        stackwise_num_filters=[64, 128, 256, 512, 512],
        image_shape=(image_size, image_size, 3),
    )
    features = keras.Model(backbone.inputs[0], dense_layers(backbone.outputs[0]))
    return rebuild(features, name, classes, image_size, _unchanged(features))


def build_keras_vgg(
    name: str,
    classes: int,
    image_size: int,
    application: str,
    imagenet: Path | None = None,
    **_unused: Any,
) -> keras.Model:
    """Build VGG16 or VGG19 on keras.applications, with the paper's dropout."""
    features = features_of(application, image_size, imagenet)
    dropout = {fc: layers.Dropout(DROPOUT, name=f"{fc}_dropout") for fc in ("fc1", "fc2")}
    return rebuild(
        features,
        name,
        classes,
        image_size,
        _unchanged(features),
        LayerChanges(after=dropout),
        copy_weights=imagenet is not None,
    )


def _unchanged(features: keras.Model) -> dict[str, str]:
    return {layer.name: layer.name for layer in features.layers}
