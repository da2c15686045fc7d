"""A test of whether horizontal flips preserve the classes of pictures.

Knows: nearest neighbors among small gray pictures. Does not know: Keras, what follows from the
result.

Each picture and its mirror image are assigned the class of the most similar other picture. If
mirror images are classified correctly as often, in every class, a flip preserves the classes; a
mirrored 3 or an arrow to the left is classified as something else, or at random.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from kerascnn.metrics.significance import binomial_tail

Verdict = Literal["harmless", "harmful", "unknown"]

SAMPLE = 1000
"""Maximum number of pictures; all pairs of them are compared."""

SIDE = 16
"""Approximate side to which pictures are averaged down, in pixels: fine detail hides similarity."""

LEVEL = 0.01
"""Significance level, both for neighbors predicting the classes at all and for the harm of a
flip."""

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
    small = _small(pictures[np.sort(chosen)])
    labels = labels[np.argsort(chosen)]
    upright = labels[_nearest(small, small)] == labels
    chance = float(counts.max() / counts.sum())
    if binomial_tail(int(upright.sum()), len(labels), chance) > LEVEL:
        return "unknown"
    mirrored = labels[_nearest(small[:, :, ::-1], small)] == labels
    groups = [np.ones(len(labels), bool), *(labels == label for label in np.flatnonzero(counts))]
    spoiled = any(_is_worse(upright[one], mirrored[one], len(groups)) for one in groups)
    return "harmful" if spoiled else "harmless"


def _is_worse(
    before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_], comparisons: int
) -> bool:
    """Test (McNemar's sign test, one-sided) whether more became wrong than correct."""
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    return lost > won and binomial_tail(lost, lost + won, 0.5) < LEVEL / comparisons


def _small(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Convert to gray and average down to about :data:`SIDE` pixels, with mean 0 and norm 1."""
    gray = pictures.mean(axis=3, dtype=np.float32)
    for axis in (1, 2):
        side = min(SIDE, gray.shape[axis])
        gray = gray.take(range(gray.shape[axis] // side * side), axis)
        shape = [*gray.shape[:axis], side, gray.shape[axis] // side, *gray.shape[axis + 1 :]]
        gray = gray.reshape(shape).mean(axis=axis + 1)
    gray -= gray.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((gray**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(gray / np.maximum(length, 1e-6), np.float32)


def _nearest(
    queries: npt.NDArray[np.float32], known: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Return the index of the most similar other picture for each picture."""
    similarity = queries.reshape(len(queries), -1) @ known.reshape(len(known), -1).T
    # A picture is no neighbor of itself or of its mirror image.
    np.fill_diagonal(similarity, -np.inf)
    return np.asarray(similarity.argmax(axis=1), np.int64)
