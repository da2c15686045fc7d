"""Multinomial logistic regression with an L2 penalty chosen by cross-validation.

Knows: features and labels. Does not know: Keras, where features come from.

In the coordinates of :func:`.feature_svd.decompose` the Gram matrix of the features is diagonal,
and half of it bounds the Hessian of the loss (Böhning 1992). So accelerated gradient descent
(Nesterov 1983, restarted as by O'Donoghue and Candès 2015) needs neither a line search nor the
Hessian, and all folds are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerascnn.training.linear.feature_svd import FeatureSVD, decompose

Floats = npt.NDArray[np.float64]

PENALTIES = tuple(10 ** (power / 2) for power in range(2, -7, -1))
"""L2 penalties tried, each times the number of features on the summed loss; strongest first, since
each fit starts from the solution of the one before."""

FOLDS = 5
"""Folds of the cross-validation that chooses the penalty. On 100 and 300 digits, 10 choose the same
penalties in nearly twice the time, and 3 choose others from seed to seed."""

SAMPLE = 1000
"""Maximum number of pictures on which the penalty is chosen."""

MOST_STEPS = 500
"""Maximum number of gradient steps of a fit, a guard: fits of 100 and 300 digits take up to 240."""

PRECISE = 1e-4
"""Tolerance of a fit: nats per picture that its loss may be above the minimum."""


@dataclass(frozen=True)
class LogisticRegression:
    """A linear classifier of raw features; the standardization is part of its weights.

    Attributes:
        kernel: float32 ``[features, classes]``.
        bias: float32 ``[classes]``.
        penalty: Chosen penalty, one of :data:`PENALTIES`.
        top1: Cross-validated top-1 accuracy, 0 to 1.
    """

    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    penalty: float
    top1: float


def fit_logistic_regression(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    targets: Floats,
    weights: Floats,
    seed: int,
) -> LogisticRegression:
    """Fit logistic regression to standardized features.

    Args:
        features: float32 ``[pictures, features]``.
        labels: int64 ``[pictures]``, by which the folds are stratified.
        targets: Target probabilities, float64 ``[pictures, classes]``.
        weights: Weight of each picture, float64 ``[pictures]``.
    """
    sample = np.sort(np.random.default_rng(seed).permutation(len(labels))[:SAMPLE])
    penalty, top1 = _choose_penalty(
        decompose(features[sample]), labels[sample], targets[sample], weights[sample], seed
    )
    svd = decompose(features)
    solution = _minimize(svd, targets, weights[:, None], penalty * features.shape[1], None)[:, 0]
    kernel = (svd.right.T @ solution[:-1]) / svd.deviation[:, None]
    bias = solution[-1] - svd.mean @ kernel
    return LogisticRegression(kernel.astype(np.float32), bias.astype(np.float32), penalty, top1)


def _choose_penalty(
    svd: FeatureSVD, labels: npt.NDArray[np.int64], targets: Floats, weights: Floats, seed: int
) -> tuple[float, float]:
    """Return the penalty with the smallest cross-validation loss, and its top-1 accuracy."""
    fold = _folds(labels, seed)
    fitted_on = weights[:, None] * (fold[:, None] != np.arange(FOLDS))
    solutions, losses, right = None, list[float](), list[float]()
    for penalty in PENALTIES:
        solutions = _minimize(svd, targets, fitted_on, penalty * len(svd.mean), solutions)
        logits = _logits(svd, solutions)[np.arange(len(fold)), fold]
        losses.append(-(weights * (targets * log_softmax(logits)).sum(1)).sum())
        right.append(float((logits.argmax(1) == labels).mean()))
    best = int(np.argmin(losses))
    return PENALTIES[best], right[best]


def _folds(labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Assign pictures to stratified folds."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % FOLDS
    return fold


def _minimize(
    svd: FeatureSVD, targets: Floats, weights: Floats, penalty: float, start: Floats | None
) -> Floats:
    """Fit a classifier for each column of weights: ``[rank + 1, columns, classes]``, bias last."""
    count, classes = targets.shape
    shrink = np.append(np.full(len(svd.sizes), penalty), 0.0)[:, None, None]
    powers = np.append(svd.sizes**2, count)[:, None, None] / 2
    step = 1 / (weights.max(axis=0)[:, None] * powers + shrink)
    now = np.zeros((len(shrink), weights.shape[1], classes)) if start is None else start
    ahead, speed = now, np.ones((weights.shape[1], 1))
    for _ in range(MOST_STEPS):
        slope = _gradient(svd, ahead, targets, weights) + shrink * ahead
        if (slope[:-1] ** 2).sum() / penalty + (slope[-1] ** 2 * step[-1]).sum() <= (
            2 * PRECISE * weights.sum()
        ):
            break
        following = ahead - step * slope
        uphill = (slope * (following - now)).sum((0, 2))[:, None] > 0
        speed = np.where(uphill, 1.0, speed)
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead = following + np.where(uphill, 0.0, (speed - 1) / faster) * (following - now)
        now, speed = following, faster
    return ahead


def _gradient(svd: FeatureSVD, solutions: Floats, targets: Floats, weights: Floats) -> Floats:
    logits = _logits(svd, solutions)
    errors = weights[:, :, None] * (np.exp(log_softmax(logits)) - targets[:, None])
    inner = svd.sizes[:, None] * (svd.left.T @ errors.reshape(len(errors), -1))
    return np.concatenate([inner, errors.sum(0).reshape(1, -1)]).reshape(solutions.shape)


def _logits(svd: FeatureSVD, solutions: Floats) -> Floats:
    """Return logits, float64 ``[pictures, columns, classes]``, by one matrix product for all."""
    flat = solutions.reshape(len(solutions), -1)
    logits: Floats = svd.left @ (svd.sizes[:, None] * flat[:-1]) + flat[-1]
    return logits.reshape(-1, *solutions.shape[1:])


def log_softmax(logits: Floats) -> Floats:
    """Return the log-softmax of logits along the last axis."""
    moved = logits - logits.max(axis=-1, keepdims=True)
    plain: Floats = moved - np.log(np.exp(moved).sum(axis=-1, keepdims=True))
    return plain
