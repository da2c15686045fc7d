"""Random resized crops: a box of each picture, resized to the network's input size.

Knows: how boxes are drawn, and how a box becomes a picture inside the compiled step. Does not know:
other augmentation.

Boxes are drawn as in Szegedy et al. 2015 (https://arxiv.org/abs/1409.4842, section 6) and
torchvision's RandomResizedCrop: a uniform share of the area, a log-uniform aspect ratio between 3:4
and 4:3, a uniform position. They are drawn on the host, from the run's seed and the epoch, so that
both feeds and a resumed run crop alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

Boxes = npt.NDArray[np.float32]
"""``[..., 4]``: top, left, height and width, as shares of a picture's sides."""

RATIO = 4 / 3
"""Maximum ratio of the longer side to the shorter."""

TRIES = 10
"""Maximum number of draws until a box fits into the picture; then the whole picture is taken."""


def draw_boxes(batches: int, pictures: int, least: float, seed: int, epoch: int) -> Boxes:
    """Draw a box for every picture of an epoch.

    Args:
        batches: Number of batches in the epoch.
        pictures: Number of pictures per batch.
        least: Minimum share of a picture's area, above 0 and at most 1.
        seed: Seed of the run.
        epoch: Number of the epoch, from 1.

    Returns:
        float32 ``[batches, pictures, 4]``.
    """
    rng = np.random.default_rng([seed, epoch, 3])
    sides = np.ones((batches * pictures, 2))
    open_ = np.arange(len(sides))
    for _ in range(TRIES):
        area = rng.uniform(least, 1, len(open_))
        ratio = np.exp(rng.uniform(-np.log(RATIO), np.log(RATIO), len(open_)))
        drawn = np.sqrt(np.stack([area / ratio, area * ratio], 1))
        fits = (drawn <= 1).all(1)
        sides[open_[fits]] = drawn[fits]
        open_ = open_[~fits]
    corners = rng.uniform(0, 1, sides.shape) * (1 - sides)
    boxes = np.concatenate([corners, sides], 1).astype(np.float32)
    return boxes.reshape(batches, pictures, 4)


def crop(pictures: Any, boxes: Any, size: int) -> Any:
    """Crop and resize a box of each picture, inside the compiled step.

    Bilinear, with a filter that widens when downscaling, as in :mod:`kerascnn.images`. Each axis is
    a product with a weight matrix: the one way that is fast on TensorFlow and on JAX alike, where
    gathering pixels is not.

    Args:
        pictures: uint8 ``[batch, side, side, 3]``.
        boxes: float32 ``[batch, 4]``; see :data:`Boxes`.
        size: Size of the result, in pixels.

    Returns:
        uint8 ``[batch, size, size, 3]``.
    """
    side = pictures.shape[1]
    down = _weights(boxes[:, 0], boxes[:, 2], side, size)
    across = _weights(boxes[:, 1], boxes[:, 3], side, size)
    found = ops.cast(pictures, "float32")
    found = ops.einsum("bip,bpqc->biqc", down, found)
    found = ops.einsum("bjq,biqc->bijc", across, found)
    return ops.cast(ops.clip(ops.round(found), 0, 255), "uint8")


def _weights(start: Any, length: Any, side: int, size: int) -> Any:
    """Return the weights of an axis: float32 ``[batch, size, side]``, rows sum to 1."""
    scale = length * (side / size)
    places = ops.arange(size, dtype="float32") + 0.5
    middles = start[:, None] * side + places * scale[:, None]
    reach = ops.maximum(scale, 1.0)[:, None, None]
    pixels = ops.arange(side, dtype="float32") + 0.5
    distance = ops.absolute(pixels - middles[:, :, None]) / reach
    # Only pixels inside the box.
    first, last = start[:, None, None] * side, (start + length)[:, None, None] * side
    inside = ops.logical_and(pixels + 0.5 > first + 1e-3, pixels - 0.5 < last - 1e-3)
    weights = ops.maximum(1 - distance, 0.0) * ops.cast(inside, "float32")
    return weights / ops.sum(weights, axis=-1, keepdims=True)
