"""Compares two models on the same pictures: changed predictions, and whether one is better.

Knows: which predictions are comparable, counts, McNemar's test. Does not know where predictions
come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerascnn.errors import DataError
from kerascnn.metrics.outputs import Predictions
from kerascnn.metrics.significance import mcnemar_exact
from kerascnn.printable import first_few


@dataclass(frozen=True)
class ChangedPrediction:
    """A picture that the two models classify differently, with their probabilities, 0 to 1."""

    path: str
    truth: str
    a: str
    a_probability: float
    b: str
    b_probability: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same pictures.

    Attributes:
        p_value: Two-sided p-value of McNemar's exact test: chance that two equally good models
            differ at least as much.
        largest_difference: Largest difference of any probability of any picture, 0 to 1.
        changed: All pictures with different predictions, in the order of the data.
        skipped: For each picture that could not be read, the reason.
    """

    a: str
    b: str
    split: str
    images: int
    a_top1: float
    b_top1: float
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    p_value: float
    largest_difference: float
    changed: tuple[ChangedPrediction, ...]
    skipped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON."""
        return {
            **vars(self),
            "changed": [vars(one) for one in self.changed],
            "skipped": list(self.skipped),
        }


def compare_predictions(a: Predictions, b: Predictions, a_name: str, b_name: str) -> Comparison:
    """Compare two models on the same pictures; their classes may be in different orders.

    Raises:
        DataError: Different classes, or different pictures.
    """
    _check_comparable(a, b, a_name, b_name)
    places = {name: place for place, name in enumerate(b.classes)}
    order = [places[name] for name in a.classes]
    probabilities = b.probabilities[:, order]
    b_top1 = np.argsort(order)[b.top1]
    only_a, only_b = a.right & ~b.right, b.right & ~a.right
    return Comparison(
        a=a_name,
        b=b_name,
        split=a.split,
        images=len(a),
        a_top1=float(a.right.mean()),
        b_top1=float(b.right.mean()),
        both_right=int((a.right & b.right).sum()),
        only_a_right=int(only_a.sum()),
        only_b_right=int(only_b.sum()),
        both_wrong=int((~a.right & ~b.right).sum()),
        p_value=mcnemar_exact(int(only_a.sum()), int(only_b.sum())),
        largest_difference=float(np.abs(a.probabilities - probabilities).max()),
        changed=tuple(_changed(a, b, int(i)) for i in np.flatnonzero(a.top1 != b_top1)),
        skipped=a.skipped,
    )


def _check_comparable(a: Predictions, b: Predictions, a_name: str, b_name: str) -> None:
    if set(a.classes) != set(b.classes):
        lone = sorted(set(a.classes) ^ set(b.classes))
        raise DataError(
            f"{a_name} and {b_name} have different classes: only one has "
            f"{first_few(list(map(repr, lone)))}. Compare models with the same classes."
        )
    if a.names != b.names:
        raise DataError(
            f"{a_name} and {b_name} were evaluated on different pictures. Give the DATA for both."
        )


def _changed(a: Predictions, b: Predictions, index: int) -> ChangedPrediction:
    return ChangedPrediction(
        path=a.name(index),
        truth=a.classes[a.labels[index]],
        a=a.classes[a.top1[index]],
        a_probability=float(a.confidence[index]),
        b=b.classes[b.top1[index]],
        b_probability=float(b.confidence[index]),
    )
