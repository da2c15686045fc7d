"""From uint8 pictures to what the network takes, in Keras.

Knows: the card's normalisation as a layer, and how it is put before a network. Does not know:
sizing (:mod:`kerascnn.images`), nor the same arithmetic in ONNX
(:mod:`kerascnn.training.export.preprocessing`); a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from kerascnn.card import Normalization
from kerascnn.images import GREY_WEIGHTS

PREDICT_BATCH = 256
"""Pictures a call when no gradient is needed."""


class Normalize(layers.Layer):  # type: ignore[misc] # Keras has no types
    """``(pixel - mean) / std`` for each channel, in the network's channel order.

    Args:
        normalization: Of the card.
    """

    def __init__(self, normalization: Normalization) -> None:
        super().__init__(name="normalize", trainable=False)
        self._normalization = normalization

    def call(self, pixels: Any) -> Any:
        """Normalise float32 ``[batch, height, width, 3]`` in 0..255, RGB."""
        if self._normalization.channel_order == "BGR":
            pixels = ops.flip(pixels, axis=-1)
        channels = 3
        if self._normalization.channel_order == "grey":
            weighed = ops.sum(pixels * np.asarray(GREY_WEIGHTS, np.float32), -1, keepdims=True)
            pixels, channels = ops.floor((weighed + 2.0**15) * 2.0**-16), 1
        mean = np.asarray(self._normalization.mean[:channels], np.float32)
        std = np.asarray(self._normalization.std[:channels], np.float32)
        return (pixels - mean) / std


def from_pixels(
    core: keras.Model, normalization: Normalization, augmentation: Sequence[layers.Layer] = ()
) -> keras.Model:
    """Put augmentation and normalisation before a network.

    Args:
        core: From normalised float32 to logits. Its weights are shared, not copied.
        normalization: Of the card.
        augmentation: Layers that act on float32 pixels in 0..255 while training.

    Returns:
        A model from uint8 ``[batch, size, size, 3]``, RGB, to logits.
    """
    # A picture has three channels, also for a network that takes one.
    image = keras.Input((*core.input_shape[1:3], 3), dtype="uint8", name="image")
    x = layers.Rescaling(1.0, name="to_float")(image)
    for layer in augmentation:
        x = layer(x)
    return keras.Model(image, core(Normalize(normalization)(x)), name="from_pixels")


def predict_logits(model: keras.Model, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Run a model of :func:`from_pixels` over many pictures.

    Args:
        model: From uint8 pictures to logits.
        pictures: uint8 ``[pictures, size, size, 3]``.

    Returns:
        float32 ``[pictures, classes]``.
    """
    parts = [
        model.predict_on_batch(pictures[start : start + PREDICT_BATCH])
        for start in range(0, len(pictures), PREDICT_BATCH)
    ]
    return np.concatenate(parts).astype(np.float32, copy=False)
