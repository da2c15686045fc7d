"""Calibration: whether the confidence of predictions matches their accuracy.

Knows: softmax with a temperature, cross-entropy, the expected calibration error and the bins of
a reliability diagram (Guo et al. 2017, https://arxiv.org/abs/1706.04599). Does not know how the
temperature is fitted (:mod:`kerascnn.training.evaluation.calibration`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 15
"""Number of equal bins, as in Guo et al. and most papers since."""

_AT_ONCE = 1 << 22
"""Numbers to process at a time: for 200,000 pictures and 1,000 classes, a full copy has 1.6 GB."""


@dataclass(frozen=True)
class Bin:
    """The predictions in one bin of confidence.

    Attributes:
        low: Lower bound of the confidence, exclusive, 0 to 1.
        high: Upper bound, inclusive.
        images: Number of predictions, at least 1.
        confidence: Their mean confidence.
        accuracy: Their accuracy.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """How well the confidence of top-1 predictions matches their accuracy.

    Attributes:
        ece: Expected calibration error: mean over all predictions of the difference between the
            confidence and the accuracy of their bin, 0 to 1; 0 is best.
        nll: Mean negative log-likelihood (cross-entropy) in nats, at least 0.
        temperature: Temperature that logits were divided by.
        bins: Non-empty bins, from low to high confidence.
    """

    ece: float
    nll: float
    temperature: float
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "bins": [vars(one) for one in self.bins]}


def softmax(logits: npt.NDArray[np.float32], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Turn logits into probabilities.

    Args:
        logits: float32 ``[pictures, classes]``.
        temperature: Logits are divided by it, above 0.

    Returns:
        float64 of the same shape; every row sums to 1.
    """
    probabilities = np.empty(logits.shape, np.float64)
    for rows in row_slices(logits):
        powers = np.exp(_scaled(logits[rows], temperature))
        np.divide(powers, powers.sum(axis=1, keepdims=True), out=probabilities[rows])
    return probabilities


def row_slices(logits: npt.NDArray[np.float32]) -> Iterator[slice]:
    """Yield slices of pictures whose intermediate results take little memory, at least one."""
    pictures, classes = logits.shape
    step = max(1, _AT_ONCE // classes)
    yield from (slice(start, start + step) for start in range(0, max(1, pictures), step))


def _power_sums(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float64]:
    """Sum the exponentials of each row, scaled so that the largest is 1."""
    parts = (logits[rows] for rows in row_slices(logits))
    return np.concatenate([np.exp(_scaled(part, temperature)).sum(axis=1) for part in parts])


def _scaled(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float64]:
    """Shift the largest logit of each row to 0, against overflow; divide by the temperature."""
    with np.errstate(invalid="ignore"):  # infinite logits give NaN, which callers refuse
        below = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        scaled: npt.NDArray[np.float64] = below / temperature
    return scaled


def cross_entropy(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], temperature: float = 1.0
) -> float:
    """Return the mean negative log-likelihood of the labels.

    Args:
        logits: float32 ``[pictures, classes]``, at least one picture.
        labels: int64 ``[pictures]``.
        temperature: Logits are divided by it, above 0.

    Returns:
        Nats, at least 0.
    """
    own = logits[np.arange(len(labels)), labels]
    scaled = _scaled(np.stack([own, logits.max(axis=1)], 1), temperature)[:, 0]
    return float((np.log(_power_sums(logits, temperature)) - scaled).mean())


def reliability(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], temperature: float = 1.0
) -> Reliability:
    """Compare confidence with accuracy.

    Args:
        logits: float32 ``[pictures, classes]``, at least one picture.
        labels: int64 ``[pictures]``.
        temperature: Logits are divided by it, above 0.
    """
    first = logits.argmax(axis=1)
    confidence = 1 / _power_sums(logits, temperature)
    bins = tuple(_bins(confidence, first == labels))
    ece = sum(one.images * abs(one.accuracy - one.confidence) for one in bins) / len(labels)
    return Reliability(ece, cross_entropy(logits, labels, temperature), temperature, bins)


def _bins(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> list[Bin]:
    # Bins are (low, high], as in the paper: full confidence is in the last one.
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    found = []
    for number in np.unique(place):
        chosen = place == number
        found.append(
            Bin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                images=int(chosen.sum()),
                confidence=float(confidence[chosen].mean()),
                accuracy=float(right[chosen].mean()),
            )
        )
    return found
