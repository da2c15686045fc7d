"""How good the answers are.

Knows: top-1, top-5, precision, recall, F1, confusion. Does not know where the answers came
from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ClassScore:
    """How good the answers are for one class.

    Attributes:
        label: Class name.
        precision: Of the pictures answered so, the share that was right; 0 where none was.
        recall: Of the pictures of this class, the share that was found; 0 where there are none.
        f1: The harmonic mean of both.
        support: Pictures of this class.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """How good the answers are for some pictures.

    Attributes:
        images: How many could be read.
        top1: Share whose first answer is right.
        top5: Share whose first five answers (or as many as there are classes) hold the right one.
        per_class: One score a class, in the order of the classes.
        confusion: Counts ``[true class][answered class]``.
        split: Which part of the data it was.
        skipped: Why each broken picture was left out.
    """

    images: int
    top1: float
    top5: float
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    split: str = "all"
    skipped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the evaluation as plain values for JSON."""
        return {
            "images": self.images,
            "split": self.split,
            "top1": self.top1,
            "top5": self.top5,
            "per_class": [vars(score) for score in self.per_class],
            "confusion": [list(row) for row in self.confusion],
            "skipped": list(self.skipped),
        }


def evaluate_logits(
    logits: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    classes: tuple[str, ...],
    split: str = "all",
    skipped: tuple[str, ...] = (),
) -> Evaluation:
    """Score answers.

    Args:
        logits: float32 ``[pictures, classes]``, at least one picture.
        labels: int64 ``[pictures]``.
        classes: Names in order.
        split: Which part of the data it was.
        skipped: Why pictures were left out.

    Returns:
        The evaluation.
    """
    # Stable, so that of equal logits the earlier class comes first, here as in a Prediction.
    ranked = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    hits = ranked == labels[:, None]
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, ranked[:, 0]), 1)
    return Evaluation(
        images=len(labels),
        top1=float(hits[:, 0].mean()),
        top5=float(hits.any(axis=1).mean()),
        per_class=_per_class(confusion, classes),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        split=split,
        skipped=skipped,
    )


def _per_class(
    confusion: npt.NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    right = confusion.diagonal()
    support, answered = confusion.sum(axis=1), confusion.sum(axis=0)
    precision = right / np.maximum(answered, 1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(answered + support, 1)
    return tuple(
        ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, name in enumerate(classes)
    )
