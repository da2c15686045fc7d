"""The verdict: what the numbers mean, in words, and what to do next.

Knows: the few patterns that a practitioner looks for first. Does not know figures or HTML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kerascnn.metrics.significance import Interval, is_chance, percent
from kerascnn.report.causes import causes, not_learned
from kerascnn.report.content import Content

Tone = Literal["good", "fair", "poor"]

_UNCALIBRATED = 0.05
"""Calibration error above which probabilities should not be shown to people as they are."""

_FEW = 200
"""Validation pictures below which the measurement itself is called weak."""

_WEAK_CLASS = 0.15
"""A class whose F1 lies this far below the mean is named."""

SPLIT_NAMES = {"val": "validation", "train": "training", "test": "test"}
"""How splits are called in sentences."""


@dataclass(frozen=True)
class Verdict:
    """The report's first sentences.

    Attributes:
        tone: Which color they get.
        headline: One sentence.
        remarks: What stands out, each with what to do.
        interval: Interval of top-1, with 95 % confidence.
        baseline: Top-1 accuracy of always predicting the most frequent class.
    """

    tone: Tone
    headline: str
    remarks: tuple[str, ...]
    interval: Interval
    baseline: float


def judge(content: Content) -> Verdict:
    """Describe a model's metrics in words."""
    evaluation = content.evaluation
    interval = evaluation.top1_interval
    baseline = max(score.support for score in evaluation.per_class) / evaluation.images
    right = sum(row[place] for place, row in enumerate(evaluation.confusion))
    tone: Tone = "good"
    if is_chance(right, evaluation.images, baseline):
        tone = "poor"
    elif evaluation.top1 < (1 + baseline) / 2:
        tone = "fair"
    remarks = [
        _baseline(tone, baseline, content),
        *([] if tone == "poor" else causes(content)),
        *_training(content),
        *_classes(content),
        _sure(content),
        _trust(content),
    ]
    return Verdict(
        tone, _headline(content, right), tuple(filter(None, remarks)), interval, baseline
    )


def _headline(content: Content, right: int) -> str:
    evaluation = content.evaluation
    split = SPLIT_NAMES.get(evaluation.split, evaluation.split)
    return (
        f"{right:,} of {evaluation.images:,} {split} pictures are classified correctly "
        f"({percent(evaluation.top1)})."
    )


def _baseline(tone: Tone, baseline: float, content: Content) -> str:
    naive = f"always predicting the most frequent class would give {baseline:.0%}"
    if tone == "poor":
        learning = content.learning
        why = (
            not_learned(learning)
            if learning and not learning.has_learned
            else ("Train longer, look at the data, or choose another network.")
        )
        return f"It has not learned: {naive}, and this model is not significantly better. {why}"
    if tone == "fair":
        return f"It has learned something ({naive}), but there is much room for improvement."
    return f"That is far better than guessing: {naive}."


def _training(content: Content) -> list[str]:
    if not content.epochs:
        return []
    last = content.epochs[-1]
    best = next((one for one in content.epochs if one.number == content.best_epoch), last)
    remarks = []
    if best is last and len(content.epochs) > 1 and _still_falling(content):
        remarks.append(
            f"The validation loss was still falling in the last epoch ({last.number}): "
            "training longer should help."
        )
    elif best is not last:
        remarks.append(
            f"The weights of epoch {best.number} of {last.number} are kept; "
            "later epochs were no better."
        )
    return remarks


def _still_falling(content: Content) -> bool:
    before, last = content.epochs[-2:]
    return last.val_loss < before.val_loss * 0.97


def _classes(content: Content) -> list[str]:
    scores = [score for score in content.evaluation.per_class if score.support]
    if len(scores) < 2:
        return []
    remarks = []
    worst = min(scores, key=lambda score: score.f1)
    if worst.f1 < sum(score.f1 for score in scores) / len(scores) - _WEAK_CLASS:
        remarks.append(
            f"The weakest class is “{worst.label}”: {worst.recall:.0%} of its {worst.support:,} "
            f"pictures are recognised, and {worst.precision:.0%} of the predictions "
            f"“{worst.label}” "
            "are correct."
        )
    for truth, answer, count in commonest_confusions(content, 1):
        times = "once" if count == 1 else f"{count:,} times"
        remarks.append(f"The most frequent confusion: “{truth}” predicted as “{answer}”, {times}.")
    return remarks


def _sure(content: Content) -> str:
    found = content.evaluation.reliability
    if content.evaluation.images < _FEW:
        return ""  # with few pictures in each bin, the calibration error is mostly chance
    if found.ece <= _UNCALIBRATED:
        return (
            "Its probabilities are well calibrated: the expected calibration error is "
            f"{found.ece:.1%}"
            f"{_where(content)}."
        )
    confidence = sum(one.images * one.confidence for one in found.bins) / content.evaluation.images
    word = "overconfident" if confidence > content.evaluation.top1 else "underconfident"
    return (
        f"It is {word}: the mean confidence of its predictions is {confidence:.0%}, and "
        f"{content.evaluation.top1:.0%} of them are correct. Calibrate it on validation pictures "
        f"like these, or use its probabilities for ranking only{_where(content)}."
    )


def _where(content: Content) -> str:
    """Add a note if calibration is measured on the pictures that it was fitted on."""
    if content.fitted_on != content.evaluation.split:
        return ""
    return " (measured on the pictures that the temperature was fitted on; expect more on others)"


def _trust(content: Content) -> str:
    images = content.evaluation.images
    if images >= _FEW:
        return ""
    return (
        f"Only {images:,} pictures were evaluated, so these numbers are rough: "
        "see the confidence interval of the accuracy."
    )


def commonest_confusions(content: Content, count: int = 10) -> list[tuple[str, str, int]]:
    """List the most frequent confusions.

    Args:
        content: Content of the report.
        count: Largest number.

    Returns:
        True class, answered class, how often: the most frequent first.
    """
    matrix = np.asarray(content.evaluation.confusion)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:count]
    pairs = (divmod(int(index), len(matrix)) for index in order)
    return [
        (content.classes[row], content.classes[column], int(matrix[row, column]))
        for row, column in pairs
        if matrix[row, column]
    ]
