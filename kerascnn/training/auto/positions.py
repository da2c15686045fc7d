"""A test of whether random crops take away what tells the classes apart.

Knows: pixels. Does not know: Keras, what follows from the result.

The pointer of a gauge, a drawing on a sign, a person before a fixed camera: it matters where in
the picture something is. There, a linear classifier of pixels is much worse on crops than on whole
pictures; on scenes and textures, which look alike everywhere, it is as good.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn.metrics.significance import binomial_tail

LOST = 0.2
"""Minimum share of the pictures that crops cost: 0.21 to 0.34 for gauges, signs, and most draws of
tall pictures; at most 0.09 for photographs that crops do not hurt."""

LEVEL = 0.001
"""Significance level of an exact test of the pictures that only one of the two tells right."""

SIDE = 16
"""Side to which pictures and crops are averaged down, in pixels."""

LEAST_AREA, ASPECT = 0.35, 4 / 3
"""Minimum share of the area of a crop, and its greatest aspect ratio, as ``auto`` trains."""

PENALTIES = (0.01, 0.1, 1.0)
"""Ridge penalties to choose from, relative to the mean squared length of the pictures."""


def crops_lose(pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> bool:
    """Return whether a linear classifier is much worse on crops of pictures.

    Args:
        pictures: uint8 ``[pictures, height, width, 3]``, a hundred or so.
        labels: Labels of those pictures.
    """
    labels = np.unique(labels, return_inverse=True)[1]
    rng = np.random.default_rng(0)
    height, width = pictures.shape[1:3]
    boxes = [_random_box(height, width, rng) for _ in pictures]
    on_whole = _right(_averaged(pictures, [(0, 0, width, height)] * len(pictures)), labels)
    on_crops = _right(_averaged(pictures, boxes), labels)
    lost, won = int((on_whole & ~on_crops).sum()), int((on_crops & ~on_whole).sum())
    return lost - won >= LOST * len(labels) and binomial_tail(lost, lost + won, 0.5) < LEVEL


def _random_box(
    height: int, width: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Draw a crop: left, top, right and bottom."""
    area, limit = rng.uniform(LEAST_AREA, 1), np.log(ASPECT)
    stretch = np.exp(rng.uniform(-limit, limit) / 2)
    across, down = (min(1.0, np.sqrt(area) * one) for one in (stretch, 1 / stretch))
    left, top = rng.uniform(0, 1 - across) * width, rng.uniform(0, 1 - down) * height
    return left, top, left + across * width, top + down * height


def _averaged(
    pictures: npt.NDArray[np.uint8], boxes: list[tuple[float, float, float, float]]
) -> npt.NDArray[np.float64]:
    """Average parts of pictures down to rows of pixels."""
    size = (SIDE, SIDE)
    small = [
        Image.fromarray(picture).resize(size, Image.Resampling.BOX, box)
        for picture, box in zip(pictures, boxes, strict=True)
    ]
    return np.stack([np.asarray(one, np.float64).ravel() for one in small])


def _right(rows: npt.NDArray[np.float64], labels: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return which rows a ridge classifier tells right that has learned from all others.

    The predictions that leave one row out are known in closed form (Cawley 2006,
    https://doi.org/10.1109/IJCNN.2006.246634). The best penalty counts.
    """
    rows = rows - rows.mean(axis=0)
    products = rows @ rows.T
    products /= max(float(np.trace(products)), 1.0) / len(rows)
    targets = np.eye(labels.max() + 1)[labels]
    targets = targets - targets.mean(axis=0)
    found = []
    for penalty in PENALTIES:
        inverse = np.linalg.inv(products + penalty * np.eye(len(rows)))
        left_out = targets - inverse @ targets / np.diag(inverse)[:, None]
        found.append(left_out.argmax(axis=1) == labels)
    return max(found, key=np.count_nonzero)
