"""Leave-one-out predictions of linear classifiers on features.

Knows: ridge regression, from one decomposition of the features. Does not know: Keras, where
features come from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kerascnn.training.linear.feature_svd import FeatureSVD, Floats

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""L2 penalties tried by the ridge probe, per picture; the one with the smallest leave-one-out error
is used."""


def probe(svd: FeatureSVD, labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Classify each picture by the ridge classifier that was fitted without it.

    In closed form: the prediction without picture i is ``y_i - e_i / (1 - h_i)`` (e: its residual
    in the full fit, h: its leverage), so no classifier is fitted twice.

    Args:
        labels: int64 ``[pictures]``.
    """
    targets = np.eye(classes)[labels]

    def leave_one_out(residual: Floats, shrink: Floats) -> Floats:
        leverage = 1 / len(labels) + svd.left**2 @ shrink
        return residual / np.maximum(1 - leverage, 1e-9)[:, None]

    answers: npt.NDArray[np.int64] = (
        targets - _best_residuals(svd, targets, leave_one_out)
    ).argmax(1)
    return answers


def probe_with_views(
    svd: FeatureSVD, labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Classify as :func:`probe`, with a second view of every other picture in the fit.

    Args:
        svd: The decomposition of the features of all pictures, followed in the same order by
            those of their second views, e.g. flipped.

    Returns:
        The predictions for the pictures themselves, int64 ``[pictures]``; each by the classifier
        that was fitted without either view of it.
    """
    count = len(labels)
    targets = np.eye(classes)[np.concatenate([labels, labels])]

    def leave_one_out(residual: Floats, shrink: Floats) -> Floats:
        leverage = 1 / (2 * count) + svd.left**2 @ shrink
        one, other = 1 - leverage[:count], 1 - leverage[count:]
        shared = 1 / (2 * count) + (svd.left[:count] * svd.left[count:]) @ shrink
        scale = np.maximum(one * other - shared**2, 1e-9)[:, None]
        return (other[:, None] * residual[:count] + shared[:, None] * residual[count:]) / scale

    left = _best_residuals(svd, targets, leave_one_out)
    answers: npt.NDArray[np.int64] = (targets[:count] - left).argmax(1)
    return answers


def _best_residuals(
    svd: FeatureSVD, targets: Floats, leave_one_out: Callable[[Floats, Floats], Floats]
) -> Floats:
    """Return the leave-one-out residuals of the penalty with the smallest error."""
    tried = []
    for penalty in PENALTIES:
        shrink = svd.sizes**2 / (svd.sizes**2 + penalty * len(targets))
        answers = targets.mean(0) + (svd.left * shrink) @ (svd.left.T @ targets)
        tried.append(leave_one_out(targets - answers, shrink))
    return min(tried, key=lambda residual: float((residual**2).mean()))
