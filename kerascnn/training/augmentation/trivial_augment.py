"""TrivialAugment: one random change, of random strength, to each picture of a batch.

Knows: the changes and how strong they may be. Does not know presets, nor when it runs.

Müller and Hutter 2021, https://arxiv.org/abs/2103.10158, with RandAugment's changes and strengths
(Cubuk et al. 2019, https://arxiv.org/abs/1909.13719), which the paper calls TA (RA). Keras has the
single changes as layers, and ``RandAugment`` of them, which draws one for the whole batch and
computes all of them to keep that one. Here each picture has its own: all geometric ones are one
affine map with a matrix for each picture, and all that blend with another picture (black, grey, the
mean, a smooth one) are one blend. Equalize is not there: it needs a histogram of each picture.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

IDENTITY = "identity"
BLENDS = ("brightness", "color", "contrast", "sharpness")
POINTWISE = ("solarize", "posterize", "autocontrast")
GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
OPERATIONS = (IDENTITY, *BLENDS, *POINTWISE, *GEOMETRIC)

BLENDED = 0.9
"""A factor of up to 1 plus or minus this: 0 is the other picture, 1 the picture itself."""

DEGREES = 30.0
SHEARED = 0.3
TRANSLATED = 10 / 32
"""Of the side: the papers' 10 pixels of 32."""

FEWEST_BITS = 4
GREY = (0.299, 0.587, 0.114)
"""Red, green and blue in a grey value: ITU-R BT.601, as Pillow has it."""


_NEIGHBOURS = tuple((row, column) for row in range(3) for column in range(3))
"""Of a pixel, with itself."""


class TrivialAugment(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
    """From float32 ``[batch, size, size, 3]`` in 0..255 to the same; at rest outside training.

    Args:
        seed: Of the random numbers.
        name: Of the layer.
    """

    def __init__(self, seed: int, name: str = "trivial") -> None:
        super().__init__(name=name, dtype="float32")
        self._random = keras.random.SeedGenerator(seed)

    def call(self, pictures: Any, training: bool = False) -> Any:
        """Change each picture, in training."""
        if not training:
            return pictures
        shape = (ops.shape(pictures)[0],)
        drawn = keras.random.uniform(shape, seed=self._random) * len(OPERATIONS)
        strengths = keras.random.uniform(shape, minval=-1.0, maxval=1.0, seed=self._random)
        return changed_by(pictures, ops.floor(drawn), strengths)


def changed_by(pictures: Any, operations: Any, strengths: Any) -> Any:
    """Change each picture by one operation.

    Args:
        pictures: float32 ``[batch, size, size, 3]`` in 0..255.
        operations: float32 ``[batch]``: places in :data:`OPERATIONS`.
        strengths: float32 ``[batch]``, -1 to 1: of most operations the sign is a direction.

    Returns:
        Pictures of the same shape and range.
    """
    strength = ops.reshape(strengths, (-1, 1, 1, 1))

    def where(name: str) -> Any:
        return ops.reshape(operations == OPERATIONS.index(name), (-1, 1, 1, 1))

    other = pictures
    for name, make in zip(BLENDS, (ops.zeros_like, _grey, _mean, _smooth), strict=True):
        other = ops.where(where(name), make(pictures), other)
    blended = ops.clip(other + (1 + BLENDED * strength) * (pictures - other), 0.0, 255.0)
    for name, change in zip(POINTWISE, (_solarized, _posterized, _stretched), strict=True):
        blended = ops.where(where(name), change(pictures, strength), blended)
    return _mapped(blended, operations, strengths)


def _grey(pictures: Any) -> Any:
    grey = ops.sum(pictures * ops.convert_to_tensor(GREY, "float32"), -1, keepdims=True)
    return ops.broadcast_to(grey, ops.shape(pictures))


def _mean(pictures: Any) -> Any:
    mean = ops.mean(_grey(pictures), (1, 2, 3), keepdims=True)
    return ops.broadcast_to(mean, ops.shape(pictures))


def _smooth(pictures: Any) -> Any:
    """The picture under Pillow's filter SMOOTH, whose border stays as it is."""
    padded = ops.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)))
    side = pictures.shape[1]
    around = [padded[:, row : row + side, column : column + side] for row, column in _NEIGHBOURS]
    inner = np.zeros((1, side, side, 1), bool)
    inner[:, 1:-1, 1:-1] = True
    return ops.where(inner, (sum(around) + 4.0 * pictures) / 13.0, pictures)


def _solarized(pictures: Any, strength: Any) -> Any:
    return ops.where(pictures >= 256 * (1 - ops.abs(strength)), 255.0 - pictures, pictures)


def _posterized(pictures: Any, strength: Any) -> Any:
    lost = ops.round((8 - FEWEST_BITS) * ops.abs(strength))
    step = ops.power(2.0, lost)
    return ops.floor(pictures / step) * step


def _stretched(pictures: Any, _strength: Any) -> Any:
    low, high = (find(pictures, (1, 2), keepdims=True) for find in (ops.min, ops.max))
    scale = 255.0 / ops.maximum(high - low, 1e-3)
    return ops.where(high > low, (pictures - low) * scale, pictures)


def _mapped(pictures: Any, operations: Any, strengths: Any) -> Any:
    """Move pixels by one affine map for each picture, around its middle."""
    size = pictures.shape[1]
    rotate, shear_x, shear_y, right, down = (
        ops.where(operations == OPERATIONS.index(name), strengths, 0.0) for name in GEOMETRIC
    )
    angle = rotate * math.radians(DEGREES)
    a, b = ops.cos(angle), SHEARED * shear_x - ops.sin(angle)
    c, d = SHEARED * shear_y + ops.sin(angle), ops.cos(angle)
    middle = (size - 1) / 2
    far = TRANSLATED * size
    x = middle - (a + b) * middle + far * right
    y = middle - (c + d) * middle + far * down
    none = ops.zeros_like(a)
    transform = ops.stack([a, b, x, c, d, y, none, none], -1)
    return ops.image.affine_transform(
        pictures, transform, interpolation="nearest", fill_mode="constant", fill_value=0.0
    )
