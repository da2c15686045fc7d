"""The verdict: describes the metrics in words, and what to do next.

Knows: the patterns that practitioners look for first. Does not know figures or HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kerascnn.language import count, tr
from kerascnn.metrics.classification import ClassScore, Evaluation
from kerascnn.metrics.significance import Interval, beats_chance, is_chance, percent
from kerascnn.report.causes import causes, inconclusive_note, leaked, not_learned
from kerascnn.report.content import Content

Tone = Literal["good", "fair", "poor"]

_UNCALIBRATED = 0.05
"""Calibration error above which probabilities should not be shown to users."""

_ROUGH_BELOW = 200
"""Number of pictures below which metrics are called rough."""

_WEAK_CLASS = 0.15
"""Difference below the mean F1 from which a class is named as weak."""

_MIN_CLASS_PICTURES = 5
"""Minimum pictures of a class to name it as weak; fewer are no evidence."""

_SPLIT_NAMES = {"val": "validation", "train": "training", "test": "test"}
"""Names of splits in sentences."""


@dataclass(frozen=True)
class Verdict:
    """The summary at the top of the report.

    Attributes:
        tone: Rating, which determines the color.
        remarks: Notable findings, each with what to do.
        interval: 95 % confidence interval of top-1 accuracy.
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
    baseline = max(score.support for score in evaluation.per_class) / evaluation.images
    beats = beats_chance(evaluation.correct, evaluation.images, baseline)
    tone = _tone(content, baseline, beats)
    remarks = [
        _leaked(content),
        _baseline(tone, beats, baseline, content),
        *([] if tone == "poor" else causes(content)),
        *_training(content),
        *_classes(content),
        _calibration(content),
        _few_pictures_note(content),
    ]
    found = tuple(filter(None, remarks))
    return Verdict(tone, _headline(content), found, evaluation.top1_interval, baseline)


def _tone(content: Content, baseline: float, beats: bool) -> Tone:
    evaluation, learning = content.evaluation, content.learning
    learned = learning is None or evaluation.split != "val" or learning.has_learned
    if not learned or is_chance(evaluation.correct, evaluation.images, baseline):
        return "poor"
    return "good" if beats and evaluation.top1 >= (1 + baseline) / 2 else "fair"


def _headline(content: Content) -> str:
    evaluation = content.evaluation
    return tr(
        "{right} of {images} {split} pictures are classified correctly ({share}).",
        right=f"{evaluation.correct:,}",
        images=f"{evaluation.images:,}",
        split=split_name(content),
        share=percent(evaluation.top1),
    )


def split_name(content: Content) -> str:
    """Return the name of the evaluated split in sentences."""
    split = content.evaluation.split
    return tr(_SPLIT_NAMES.get(split, split))


def _leaked(content: Content) -> str:
    if content.learning is None or content.evaluation.split != "val":
        return ""
    return leaked(content.learning.val_leaked, content.learning.val_images)


def _baseline(tone: Tone, beats: bool, baseline: float, content: Content) -> str:
    naive = f"{baseline:.0%}"
    if tone == "poor":
        sentence = tr(
            "It has not learned: always predicting the most frequent class would give {naive}, "
            "and this model is not significantly better.",
            naive=naive,
        )
        return f"{sentence} {_advice_if_poor(content)}"
    if not beats:
        return inconclusive_note(baseline)
    if tone == "fair":
        return tr(
            "It has learned something (always predicting the most frequent class would give "
            "{naive}), but there is much room for improvement.",
            naive=naive,
        )
    return tr(
        "That is far better than guessing: always predicting the most frequent class would give "
        "{naive}.",
        naive=naive,
    )


def _advice_if_poor(content: Content) -> str:
    if content.learning and not content.learning.has_learned:
        return not_learned(content.learning)
    return tr("Train longer, look at the data, or choose another network.")


def _training(content: Content) -> list[str]:
    if not content.epochs:
        return []
    last = content.epochs[-1]
    best = next((one for one in content.epochs if one.epoch == content.best_epoch), last)
    if best is not last:
        kept = "The weights of epoch {best} of {last} are kept; later epochs were no better."
        return [tr(kept, best=best.epoch, last=last.epoch)]
    if len(content.epochs) == 1 or not _still_falling(content):
        return []
    line = tr(
        "The validation loss was still falling in the last epoch ({last}): "
        "training longer should help.",
        last=last.epoch,
    )
    return [line]


def _still_falling(content: Content) -> bool:
    before, last = content.epochs[-2:]
    return last.val_loss < before.val_loss * 0.97


def _classes(content: Content) -> Iterator[str]:
    scores = [score for score in content.evaluation.per_class if score.support]
    if len(scores) < 2:
        return
    usual = sum(score.f1 for score in scores) / len(scores)
    telling = [score for score in scores if score.support >= _MIN_CLASS_PICTURES]
    worst = min(telling, key=lambda score: score.f1, default=None)
    if worst and worst.f1 < usual - _WEAK_CLASS:
        yield _weakest(worst, content)
    yield _confusion(content.evaluation)


def _confusion(evaluation: Evaluation) -> str:
    """Name the most frequent confusion; empty if there is none more frequent than all others."""
    found = evaluation.commonest_confusions(2)
    counts = [often for *_, often in found]
    if not found or counts[0] <= max([1, *counts[1:]]):
        return ""
    truth, answer, often = found[0]
    return tr(
        "The most frequent confusion: “{truth}” predicted as “{answer}”, {count} times.",
        truth=truth,
        answer=answer,
        count=f"{often:,}",
    )


def _weakest(worst: ClassScore, content: Content) -> str:
    place, support = content.classes.index(worst.label), count(worst.support, "picture")
    if not any(row[place] for row in content.evaluation.confusion):
        return tr(
            "The weakest class is “{label}”: none of its {support} are recognized, and no picture "
            "is predicted as “{label}”.",
            label=worst.label,
            support=support,
        )
    return tr(
        "The weakest class is “{label}”: {recall} of its {support} are "
        "recognized, and {precision} of the predictions “{label}” are correct.",
        label=worst.label,
        recall=f"{worst.recall:.0%}",
        support=support,
        precision=f"{worst.precision:.0%}",
    )


def _calibration(content: Content) -> str:
    found = content.evaluation.reliability
    if content.evaluation.images < _ROUGH_BELOW:
        return ""  # with few pictures in each bin, the calibration error is mostly chance
    if found.ece <= _UNCALIBRATED:
        return tr(
            "Its probabilities are well calibrated: the expected calibration error is "
            "{error}{where}.",
            error=f"{found.ece:.1%}",
            where=_fitted_note(content),
        )
    confidence = sum(one.images * one.confidence for one in found.bins) / content.evaluation.images
    word = tr("overconfident") if confidence > content.evaluation.top1 else tr("underconfident")
    found_out = tr(
        "It is {word}: the mean confidence of its predictions is {confidence}, and {right} of "
        "them are correct.",
        word=word,
        confidence=f"{confidence:.0%}",
        right=f"{content.evaluation.top1:.0%}",
    )
    return f"{found_out} {_calibration_advice(content)}"


def _calibration_advice(content: Content) -> str:
    if content.fitted_on == content.evaluation.split:
        return tr(
            "It was calibrated on these very pictures, so use its probabilities for ranking only."
        )
    return tr(
        "Calibrate it on validation pictures like these, or use its probabilities for ranking only."
    )


def _fitted_note(content: Content) -> str:
    """Return a note if calibration was measured on the pictures that it was fitted on."""
    if content.fitted_on != content.evaluation.split:
        return ""
    return tr(
        " (measured on the pictures that the temperature was fitted on; expect more on others)"
    )


def _few_pictures_note(content: Content) -> str:
    images = content.evaluation.images
    if images >= _ROUGH_BELOW:
        return ""
    return tr(
        "These numbers are rough, because they are based on {images} only: see the confidence "
        "interval of the accuracy.",
        images=count(images, "picture"),
    )
