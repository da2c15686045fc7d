"""A test of whether a detail at one place of the pictures tells their classes apart.

Knows: pixels. Does not know: Keras, what follows from the result.

Before a fixed camera, a lamp is lit or not, a part is there or missing; a program stamps its mark
into a corner. A random crop cuts such a detail off, or moves it to where it means nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kerascnn.training.auto.flips import averaged

SHARE = 0.45
"""Minimum share of a place's variance that the classes explain: 0.53 to 0.94 for marks, lamps and
dates; at most 0.36 for photographs of whatever is somewhere in the picture."""

SIDE = 32
"""Approximate side to which pictures are averaged down, in pixels: a place is one of them."""

AROUND = 2
"""Pixels in each direction that a place is compared with; its difference is a detail, and not a
color that all of the picture has."""

NOISE = 4.0
"""Deviation, of 255, that does not count: a plain background has next to none to explain."""

FEW = 5
"""Minimum number of pictures per class."""

SHUFFLES = 99
"""Number of random assignments of the labels, none of which may explain as much: chance has many
places to choose from."""


def place_tells(pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> bool:
    """Return whether the classes differ by a detail at one place.

    Args:
        pictures: uint8 ``[pictures, height, width, channels]``, a hundred or so.
        labels: Labels of those pictures.

    Returns:
        False if there are too few pictures.
    """
    classes, labels = np.unique(labels, return_inverse=True)
    if len(classes) < 2 or np.bincount(labels).min() < FEW:
        return False
    small = averaged(pictures, SIDE)
    details = [small - _surroundings(small), small - small.mean(axis=(1, 2), keepdims=True)]
    found = _explained(details, labels)
    if found < SHARE:
        return False
    shuffled = np.random.default_rng(0).permuted(np.tile(labels, (SHUFFLES, 1)), axis=1)
    return all(_explained(details, one) < found for one in shuffled)


def _explained(details: list[npt.NDArray[np.float32]], labels: npt.NDArray[np.integer]) -> float:
    """Return the largest share of any place's variance that the labels explain in all details."""
    shares = [_shares(one.reshape(len(one), -1), labels) for one in details]
    return float(np.minimum.reduce(shares).max())


def _shares(
    values: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]
) -> npt.NDArray[np.float32]:
    """Return the adjusted coefficient of determination (R²) of each column."""
    members = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    counts = members.sum(axis=0)[:, None]
    values = values - values.mean(axis=0)
    total = (values**2).sum(axis=0)
    between = ((members.T @ values) ** 2 / counts).sum(axis=0)
    within = (total - between) / (len(values) - len(counts)) + NOISE**2
    return np.asarray(1 - within / (total / (len(values) - 1) + NOISE**2))


def _surroundings(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Average over a square around each pixel."""
    side = 2 * AROUND + 1
    edges = ((0, 0), (AROUND, AROUND), (AROUND, AROUND), (0, 0))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(pictures, edges, "edge"), (side, side), axis=(1, 2)
    )
    return np.asarray(windows.mean(axis=(-2, -1)))
