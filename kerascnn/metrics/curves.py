"""ROC and precision-recall curves of one class against all others.

Knows: the receiver operating characteristic (ROC), precision and recall, the areas under both.
Does not know models or pictures. Ties are one step of a curve, so that no order of the pictures
can change an area.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

POINTS = 200
"""Of a curve, at most: more than any figure shows."""

_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassCurves:
    """Both curves of one class against all others.

    They are empty where there is nothing to classify: no picture of the class, or of no other.

    Attributes:
        label: Class name.
        false_positive_rate: From 0 to 1, rising; x of the ROC.
        true_positive_rate: From 0 to 1, rising; y of the ROC.
        recall: From 0 to 1, rising; x of the second curve.
        precision: Precision at each recall.
        auc: Area under the ROC, 0.5 for guesses; None where there is no curve.
        average_precision: Mean precision over the steps of recall; None where there is none.
    """

    label: str
    false_positive_rate: tuple[float, ...] = ()
    true_positive_rate: tuple[float, ...] = ()
    recall: tuple[float, ...] = ()
    precision: tuple[float, ...] = ()
    auc: float | None = None
    average_precision: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the curves as plain values for JSON."""
        return {
            "label": self.label,
            "roc": {
                "false_positive_rate": list(self.false_positive_rate),
                "true_positive_rate": list(self.true_positive_rate),
            },
            "precision_recall": {"recall": list(self.recall), "precision": list(self.precision)},
        }


def class_curves(
    label: str, scores: npt.NDArray[np.float64], is_class: npt.NDArray[np.bool_]
) -> ClassCurves:
    """Draw both curves of one class.

    Args:
        label: Class name.
        scores: float64 ``[pictures]``, the class's probability.
        is_class: bool ``[pictures]``, whether the picture is of the class.

    Returns:
        Areas from all thresholds; curves thinned to :data:`POINTS`.
    """
    positives = int(is_class.sum())
    negatives = len(is_class) - positives
    if not positives or not negatives:
        return ClassCurves(label)
    hits, answered = _counts(scores, is_class)
    true_rate, false_rate = hits / positives, (answered - hits) / negatives
    precision = np.concatenate([[1.0], hits[1:] / answered[1:]])
    kept = _kept(true_rate + false_rate)
    return ClassCurves(
        label,
        false_positive_rate=_plain(false_rate[kept]),
        true_positive_rate=_plain(true_rate[kept]),
        recall=_plain(true_rate[kept]),
        precision=_plain(precision[kept]),
        auc=float((np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2).sum()),
        average_precision=float((np.diff(true_rate) * precision[1:]).sum()),
    )


def _counts(scores: _Floats, is_class: npt.NDArray[np.bool_]) -> tuple[_Floats, _Floats]:
    """Count right answers and answers, from the highest threshold (none) to the lowest (all)."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order]
    # The last of equal scores: before it, the threshold lets none or all of them through.
    ends = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    hits = np.cumsum(is_class[order])[ends]
    return np.append(0.0, hits), np.append(0.0, ends + 1.0)


def _kept(way: _Floats) -> npt.NDArray[np.int64]:
    """Choose points evenly along the ROC: most thresholds lie where little happens."""
    if len(way) <= POINTS:
        return np.arange(len(way))
    chosen = np.searchsorted(way, np.linspace(0, way[-1], POINTS))
    return np.unique(np.append(chosen, len(way) - 1))


def _plain(values: _Floats) -> tuple[float, ...]:
    return tuple(values.tolist())
