"""How well a linear classifier could tell classes apart by some features.

Knows: scores from the literature, from one decomposition of the features. Does not know Keras,
nor where features come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Of the ridge probe, for each picture; the one with the smallest left-out error is taken."""


@dataclass(frozen=True)
class Decomposed:
    """Standardised features as ``left * sizes @ right``.

    Attributes:
        left: Orthonormal columns, float64 ``[pictures, rank]``.
        sizes: Singular values, float64 ``[rank]``, above 0.
        right: Orthonormal rows, float64 ``[rank, features]``.
        mean: Of each feature, float64 ``[features]``.
        deviation: Of each feature, float64 ``[features]``; 1 where it is 0.
    """

    left: Floats
    sizes: Floats
    right: Floats
    mean: Floats
    deviation: Floats


def decompose(features: npt.NDArray[np.float32]) -> Decomposed:
    """Standardise features and take their singular values.

    Args:
        features: float32 ``[pictures, features]``.

    Returns:
        The decomposition; directions without spread are left out.
    """
    wide = features.astype(np.float64)
    mean, deviation = wide.mean(0), wide.std(0)
    deviation = np.where(deviation > 1e-6 * max(1e-12, float(deviation.max())), deviation, 1.0)
    plain = (wide - mean) / deviation
    # From the smaller of the two matrices of products: ten times as fast as plain SVD.
    tall = len(plain) >= plain.shape[1]
    powers, vectors = np.linalg.eigh(plain.T @ plain if tall else plain @ plain.T)
    kept = powers > 1e-9 * max(1e-12, float(powers.max()))
    sizes, vectors = np.sqrt(powers[kept]), vectors[:, kept]
    other = (plain @ vectors if tall else plain.T @ vectors) / sizes
    left, right = (other, vectors.T) if tall else (vectors, other.T)
    return Decomposed(left, sizes, right, mean, deviation)


def probe(found: Decomposed, labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Classify each picture by the ridge classifier that was fitted without it.

    In closed form: without picture i the answer to it is ``y_i - e_i / (1 - h_i)`` (e: the residual
    with it, h: its leverage), so no classifier is fitted twice.

    Args:
        found: Of the features.
        labels: int64 ``[pictures]``.
        classes: How many.

    Returns:
        The answers, int64 ``[pictures]``.
    """
    targets = np.eye(classes)[labels]

    def left_out(residual: Floats, shrink: Floats) -> Floats:
        leverage = 1 / len(labels) + found.left**2 @ shrink
        return residual / np.maximum(1 - leverage, 1e-9)[:, None]

    answers: npt.NDArray[np.int64] = (targets - _least(found, targets, left_out)).argmax(1)
    return answers


def probe_with_views(
    found: Decomposed, labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Do the same when the classifier also learns from a second view of every other picture.

    Args:
        found: Of the features of all pictures, and then, in the same order, of their second views,
            e.g. flipped.
        labels: int64 ``[pictures]``.
        classes: How many.

    Returns:
        The answers to the pictures themselves, int64 ``[pictures]``; each by the classifier that
        was fitted without either view of it.
    """
    count = len(labels)
    targets = np.eye(classes)[np.concatenate([labels, labels])]

    def left_out(residual: Floats, shrink: Floats) -> Floats:
        leverage = 1 / (2 * count) + found.left**2 @ shrink
        one, other = 1 - leverage[:count], 1 - leverage[count:]
        shared = 1 / (2 * count) + (found.left[:count] * found.left[count:]) @ shrink
        scale = np.maximum(one * other - shared**2, 1e-9)[:, None]
        return (other[:, None] * residual[:count] + shared[:, None] * residual[count:]) / scale

    left = _least(found, targets, left_out)
    answers: npt.NDArray[np.int64] = (targets[:count] - left).argmax(1)
    return answers


def _least(
    found: Decomposed, targets: Floats, left_out: Callable[[Floats, Floats], Floats]
) -> Floats:
    """Give the left-out residuals of the penalty that makes them smallest."""
    tried = []
    for penalty in PENALTIES:
        shrink = found.sizes**2 / (found.sizes**2 + penalty * len(targets))
        answers = targets.mean(0) + (found.left * shrink) @ (found.left.T @ targets)
        tried.append(left_out(targets - answers, shrink))
    return min(tried, key=lambda residual: float((residual**2).mean()))


def logme(found: Decomposed, labels: npt.NDArray[np.int64], classes: int) -> float:
    """Logarithm of the maximum evidence of a linear model.

    You, Liu, Wang and Long 2021 (https://arxiv.org/abs/2102.11005), with their fixed-point
    iteration; here on standardised features and centred labels, so that offsets count for nothing.

    Args:
        found: Of the features.
        labels: int64 ``[pictures]``.
        classes: How many.

    Returns:
        The mean over the classes, in nats a picture.
    """
    targets = np.eye(classes)[labels]
    targets = targets - targets.mean(0)
    return float(np.mean([_evidence(found, column) for column in targets.T]))


def _evidence(found: Decomposed, target: Floats) -> float:
    pictures, features = len(target), len(found.sizes)
    power, along = found.sizes**2, (found.left.T @ target) ** 2
    outside = max(0.0, float((target**2).sum() - along.sum()))
    ratio = 1.0
    for _ in range(30):
        effective = float((power / (power + ratio)).sum())
        weights = float((power * along / (ratio + power) ** 2).sum())
        residual = float((along / (1 + power / ratio) ** 2).sum()) + outside
        alpha = effective / (weights + 1e-5)
        beta = (pictures - effective) / (residual + 1e-5)
        before, ratio = ratio, alpha / beta
        if abs(ratio - before) <= 1e-3 * before:
            break
    evidence = (
        # A stage that says the same of every picture has no features, and alpha is 0.
        (features * np.log(alpha) if features else 0.0)
        + pictures * np.log(beta)
        - np.log(alpha + beta * power).sum()
        - beta * residual
        - alpha * weights
        - pictures * np.log(2 * np.pi)
    )
    return float(evidence) / (2 * pictures)


def h_score(found: Decomposed, labels: npt.NDArray[np.int64], classes: int) -> float:
    """Spread between the classes as a share of all spread.

    Bao et al. 2019 (https://arxiv.org/abs/2212.10082), with the covariance shrunk as Ledoit and
    Wolf 2004 do, without which it means nothing for fewer pictures than features.

    Args:
        found: Of the features.
        labels: int64 ``[pictures]``.
        classes: How many, at least 2.

    Returns:
        From 0 to 1: the H-score divided by its largest value, ``classes - 1``.
    """
    placed = found.left * found.sizes
    power = found.sizes**2 / len(labels)
    features = max(1, len(found.mean))
    level = float(power.sum()) / features
    apart = float(((power - level) ** 2).sum()) + (features - len(power)) * level**2
    noise = float(((placed**2).sum(1) ** 2).sum()) / len(labels) - float((power**2).sum())
    shrink = min(1.0, max(0.0, noise / len(labels)) / max(apart, 1e-12))
    present = [label for label in range(classes) if (labels == label).any()]
    means = np.stack([placed[labels == label].mean(0) for label in present])
    shares = np.array([(labels == label).mean() for label in present])
    between = (shares[:, None] * means**2).sum(0)
    score = (between / ((1 - shrink) * power + shrink * level)).sum() / (classes - 1)
    return min(1.0, float(score))


def drift(
    mean: Floats, variance: Floats, stored_mean: Floats, stored_variance: Floats, epsilon: float
) -> float:
    """Say how far the statistics of some pictures are from those that a layer has stored.

    Args:
        mean: Of each channel on the pictures, float64 ``[channels]``.
        variance: The same.
        stored_mean: Of the layer.
        stored_variance: Of the layer.
        epsilon: That the layer adds to a variance.

    Returns:
        Median over the channels of the Kullback-Leibler divergence of two normal distributions,
        in nats, from 0.
    """
    ratio = (variance + epsilon) / (stored_variance + epsilon)
    shift = (mean - stored_mean) ** 2 / (stored_variance + epsilon)
    return float(np.median((ratio + shift - 1 - np.log(ratio)) / 2))
