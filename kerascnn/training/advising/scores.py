"""How well a linear classifier could tell classes apart by some features.

Knows: scores from the literature, from one decomposition of the features. Does not know Keras,
nor where features come from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kerascnn.training.trainer.feature_svd import FeatureSVD, Floats

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Of the ridge probe, for each picture; the one with the smallest left-out error is taken."""


def probe(found: FeatureSVD, labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Classify each picture by the ridge classifier that was fitted without it.

    In closed form: without picture i the answer to it is ``y_i - e_i / (1 - h_i)`` (e: the residual
    with it, h: its leverage), so no classifier is fitted twice.

    Args:
        found: The decomposition of the features.
        labels: int64 ``[pictures]``.
        classes: Number of classes.
    """
    targets = np.eye(classes)[labels]

    def leave_one_out(residual: Floats, shrink: Floats) -> Floats:
        leverage = 1 / len(labels) + found.left**2 @ shrink
        return residual / np.maximum(1 - leverage, 1e-9)[:, None]

    answers: npt.NDArray[np.int64] = (targets - _least(found, targets, leave_one_out)).argmax(1)
    return answers


def probe_with_views(
    found: FeatureSVD, labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """As :func:`probe`, with a second view of every other picture to learn from.

    Args:
        found: Of the features of all pictures, and then, in the same order, of their second views,
            e.g. flipped.
        labels: int64 ``[pictures]``.
        classes: Number of classes.

    Returns:
        The answers to the pictures themselves, int64 ``[pictures]``; each by the classifier that
        was fitted without either view of it.
    """
    count = len(labels)
    targets = np.eye(classes)[np.concatenate([labels, labels])]

    def leave_one_out(residual: Floats, shrink: Floats) -> Floats:
        leverage = 1 / (2 * count) + found.left**2 @ shrink
        one, other = 1 - leverage[:count], 1 - leverage[count:]
        shared = 1 / (2 * count) + (found.left[:count] * found.left[count:]) @ shrink
        scale = np.maximum(one * other - shared**2, 1e-9)[:, None]
        return (other[:, None] * residual[:count] + shared[:, None] * residual[count:]) / scale

    left = _least(found, targets, leave_one_out)
    answers: npt.NDArray[np.int64] = (targets[:count] - left).argmax(1)
    return answers


def _least(
    found: FeatureSVD, targets: Floats, leave_one_out: Callable[[Floats, Floats], Floats]
) -> Floats:
    """Return the left-out residuals of the penalty that makes them smallest."""
    tried = []
    for penalty in PENALTIES:
        shrink = found.sizes**2 / (found.sizes**2 + penalty * len(targets))
        answers = targets.mean(0) + (found.left * shrink) @ (found.left.T @ targets)
        tried.append(leave_one_out(targets - answers, shrink))
    return min(tried, key=lambda residual: float((residual**2).mean()))
