"""A test of whether horizontal flips preserve the classes of pictures.

Knows: nearest neighbors among small gray pictures. Does not know: Keras, what follows from the
result.

Each picture and its mirror image are assigned the class of the most similar other picture. If
mirror images are classified correctly as often, in every class, a flip preserves the classes; a
mirrored 3 or an arrow to the left is classified as something else, or at random.

A mirror image has the same colors and brightness. If these, wherever in the picture, tell every two
classes apart, a flip is harmless where gray patterns do not predict the classes, and otherwise
cannot harm the pictures whose class their colors predict.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kerascnn.metrics.significance import binomial_tail

Verdict = Literal["harmless", "harmful", "unknown"]

SAMPLE = 1000
"""Maximum number of pictures; all pairs of them are compared."""

SIDE = 16
"""Approximate side to which pictures are averaged down, in pixels: fine detail hides similarity."""

LEVEL = 0.01
"""Significance level: for neighbors predicting the classes at all, for colors telling two classes
apart, and for the harm of a flip."""

FEW = 5
"""Minimum number of pictures per class; with fewer the verdict is ``unknown``."""


def judge_flips(
    pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], seed: int = 0
) -> Verdict:
    """Return whether a horizontal flip preserves the classes.

    Args:
        pictures: ``[pictures, height, width, channels]``.
        labels: Labels of those pictures, from 0.
        seed: Seed of the sample.

    Returns:
        ``harmful``: mirror images are classified correctly significantly less often, in one class
        or in all together; ``unknown``: too few pictures, or neighbors do not predict these
        classes; else ``harmless``.
    """
    chosen = np.random.default_rng(seed).permutation(len(pictures))[:SAMPLE]
    labels = labels[chosen]
    counts = np.bincount(labels)
    if counts[counts > 0].min() < FEW:
        return "unknown"
    small_colors = averaged(pictures[np.sort(chosen)], SIDE)
    labels = labels[np.argsort(chosen)]
    small = _gray_pattern(small_colors)
    upright = labels[_nearest(small, small)] == labels
    colors = _colors(small_colors)
    by_color = labels[_nearest(colors, colors)]
    told_by_color = _are_told_apart(labels, by_color)
    if binomial_tail(int(upright.sum()), len(labels), float(counts.max() / counts.sum())) > LEVEL:
        return "harmless" if told_by_color else "unknown"
    mirrored = labels[_nearest(small[:, :, ::-1], small)] == labels
    if told_by_color:  # a flip cannot harm pictures whose colors are enough
        upright, mirrored = (right | (by_color == labels) for right in (upright, mirrored))
    groups = [np.ones(len(labels), bool), *(labels == label for label in np.flatnonzero(counts))]
    spoiled = any(_is_worse(upright[one], mirrored[one], len(groups)) for one in groups)
    return "harmful" if spoiled else "harmless"


def _is_worse(
    before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_], comparisons: int
) -> bool:
    """Test (McNemar's sign test, one-sided) whether more became wrong than correct."""
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    return lost > won and binomial_tail(lost, lost + won, 0.5) < LEVEL / comparisons


def _are_told_apart(labels: npt.NDArray[np.integer], answers: npt.NDArray[np.integer]) -> bool:
    """Test of every two classes whether more are right than are taken for the other of the two."""
    found = np.zeros((labels.max() + 1,) * 2, np.int64)
    np.add.at(found, (labels, answers), 1)
    pairs = [np.ix_(pair, pair) for pair in combinations(np.unique(labels), 2)]
    return bool(pairs) and all(
        binomial_tail(int(found[pair].trace()), int(found[pair].sum()), 0.5) < LEVEL
        for pair in pairs
    )


def averaged(pictures: npt.NDArray[np.uint8], least: int) -> npt.NDArray[np.float32]:
    """Average down to about ``least`` pixels in height and width, never to fewer."""
    small: npt.NDArray[Any] = pictures
    for axis in (1, 2):
        side = min(least, small.shape[axis])
        small = small.take(range(small.shape[axis] // side * side), axis)
        shape = [*small.shape[:axis], side, small.shape[axis] // side, *small.shape[axis + 1 :]]
        small = small.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
    return small


def _colors(averaged: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sort the values of each channel: the distance is that of two histograms."""
    return np.sort(averaged.reshape(len(averaged), -1, averaged.shape[3]), axis=1)


def _gray_pattern(averaged: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Convert to gray, with mean 0 and norm 1."""
    gray = averaged.mean(axis=3)
    gray -= gray.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((gray**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(gray / np.maximum(length, 1e-6), np.float32)


def _nearest(
    queries: npt.NDArray[np.float32], known: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Return the index of the nearest other picture for each picture."""
    queries, known = (each.reshape(len(each), -1) for each in (queries, known))
    similarity = queries @ known.T - (known**2).sum(axis=1) / 2
    # A picture is no neighbor of itself or of its mirror image.
    np.fill_diagonal(similarity, -np.inf)
    return np.asarray(similarity.argmax(axis=1), np.int64)
