"""Whether mirror images of pictures are still of their class, told from the pictures themselves.

Knows: nearest neighbors among small grey pictures. Does not know Keras, nor what follows.

A picture is given the class of the other picture that it is most like, and so is its mirror image.
Where mirror images are answered right as often, in every class, a flip changes nothing that counts;
a mirrored 3 or an arrow to the left is answered as something else, or as nothing in particular.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from kerascnn.metrics.significance import binomial_tail

Verdict = Literal["harmless", "harmful", "unknown"]

SAMPLE = 1000
"""Pictures looked at; all pairs of them are compared."""

SIDE = 16
"""Pixels: what they are averaged down to, about. Fine detail hides what is alike."""

LEVEL = 0.01
"""Of significance, both for telling classes apart at all and for what a flip spoils."""

FEW = 5
"""Pictures a class below which nothing is told."""


def judge_flips(
    pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], seed: int = 0
) -> Verdict:
    """Return whether a horizontal flip leaves the classes as they are.

    Args:
        pictures: ``[pictures, height, width, channels]``.
        labels: Labels of those pictures, from 0.
        seed: Seed of the sample.

    Returns:
        ``harmful``: mirror images are answered right significantly less often, in one class or in
        all together; ``unknown``: too few pictures, or neighbors tell nothing about these
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
    """Test by signs (McNemar, one-sided) whether more became wrong than right."""
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    return lost > won and binomial_tail(lost, lost + won, 0.5) < LEVEL / comparisons


def _small(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Average down to about :data:`SIDE` pixels, grey, each with mean 0 and length 1."""
    grey = pictures.mean(axis=3, dtype=np.float32)
    for axis in (1, 2):
        side = min(SIDE, grey.shape[axis])
        grey = grey.take(range(grey.shape[axis] // side * side), axis)
        shape = [*grey.shape[:axis], side, grey.shape[axis] // side, *grey.shape[axis + 1 :]]
        grey = grey.reshape(shape).mean(axis=axis + 1)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((grey**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(grey / np.maximum(length, 1e-6), np.float32)


def _nearest(
    asked: npt.NDArray[np.float32], known: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Find for each picture the most similar one of another number."""
    alike = asked.reshape(len(asked), -1) @ known.reshape(len(known), -1).T
    np.fill_diagonal(alike, -np.inf)  # nor is a picture its own mirror image's neighbor
    return np.asarray(alike.argmax(axis=1), np.int64)
