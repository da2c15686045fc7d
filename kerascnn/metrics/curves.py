"""ROC and precision-recall curves of one class against all others.

Knows: the receiver operating characteristic (ROC), precision and recall, the areas under both.
Does not know models or pictures. Ties form one step of a curve, so that areas do not depend on the
order of pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

POINTS = 200
"""Maximum points of a curve: more than any figure can show."""

_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassCurves:
    """Both curves of one class against all others.

    They are empty if all pictures, or none, are of the class.

    Attributes:
        label: Class name.
        false_positive_rate: From 0 to 1, ascending; x of the ROC curve.
        true_positive_rate: From 0 to 1, ascending; y of the ROC curve.
        recall: From 0 to 1, ascending; x of the precision-recall curve.
        precision: Precision at each recall.
        auc: Area under the ROC curve, 0.5 for random guessing; None if the curve is empty.
        average_precision: Mean precision over the steps of recall; None if the curve is empty.
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
    """Compute both curves of one class.

    Args:
        label: Class name.
        scores: float64 ``[pictures]``, the class's probability.
        is_class: bool ``[pictures]``, whether the picture is of the class.

    Returns:
        Areas over all thresholds; curves reduced to :data:`POINTS` points.
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
    """Count true positives and all positives from the highest threshold (none) to the lowest."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order]
    # The last of equal scores: a threshold accepts either none or all of them.
    ends = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    hits = np.cumsum(is_class[order])[ends]
    return np.append(0.0, hits), np.append(0.0, ends + 1.0)


def _kept(way: _Floats) -> npt.NDArray[np.int64]:
    """Choose evenly spaced points along the ROC curve, because most thresholds hardly move it."""
    if len(way) <= POINTS:
        return np.arange(len(way))
    chosen = np.searchsorted(way, np.linspace(0, way[-1], POINTS))
    return np.unique(np.append(chosen, len(way) - 1))


def _plain(values: _Floats) -> tuple[float, ...]:
    return tuple(values.tolist())
