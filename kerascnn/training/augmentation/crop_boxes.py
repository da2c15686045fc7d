"""Boxes of random resized crops.

Knows: how boxes are drawn. Does not know: Keras, how a box becomes a picture.

They are drawn as in Szegedy et al. 2015 (https://arxiv.org/abs/1409.4842, section 6) and
torchvision's RandomResizedCrop: a uniform share of the area, a log-uniform aspect ratio between 3:4
and 4:3, a uniform position. They are drawn on the host, from the run's seed and the epoch, so that
both feeds and a resumed run crop alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
