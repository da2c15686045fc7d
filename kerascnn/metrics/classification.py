"""Metrics of predictions: accuracy, recall, F1, confusion matrix.

Knows: top-1, top-5, precision, recall, F1, confusion, the most confident mistakes. Does not know
where predictions come from, or the computation of intervals (significance), calibration and curves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerascnn import notebook, plots
from kerascnn.dataset.check.leakage import Leaks
from kerascnn.errors import needs_extra
from kerascnn.language import tr
from kerascnn.metrics.calibration import Reliability, reliability
from kerascnn.metrics.curves import ClassCurves, class_curves
from kerascnn.metrics.outputs import Predictions, Speed
from kerascnn.metrics.significance import Interval, wilson_interval

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

_WIDEST = 25
"""Maximum classes of a confusion matrix in a notebook, and rows of the list shown instead."""

MISTAKES = 20
"""Maximum mistakes to list: enough to see a pattern, few enough to look at each."""


@dataclass(frozen=True)
class ClassScore:
    """Metrics of one class.

    Attributes:
        precision: Share of the predictions of this class that are correct; 0 without predictions.
        recall: Share of the pictures of this class that are classified correctly; 0 without
            pictures.
        f1: Harmonic mean of precision and recall.
        support: Number of pictures of this class.
        roc_auc: Area under the ROC curve, the chance that a picture of this class gets a higher
            probability for it than one of another class, with ties counted half; None if there is
            no such pair.
        average_precision: Area under the precision-recall curve; None likewise.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    roc_auc: float | None = None
    average_precision: float | None = None


@dataclass(frozen=True)
class Misclassification:
    """A wrong prediction.

    Attributes:
        index: Index among the evaluated pictures.
        probability: Probability of the predicted class, 0 to 1.
        truth_probability: Probability of the true class, 0 to 1.
    """

    index: int
    path: str
    truth: str
    answer: str
    probability: float
    truth_probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {name: value for name, value in vars(self).items() if name != "index"}


@dataclass(frozen=True)
class Evaluation:
    """Metrics on some pictures.

    Attributes:
        images: Number of pictures that could be read.
        top1: Top-1 accuracy, 0 to 1.
        top1_interval: Its 95 % confidence interval (Wilson).
        top5: Top-5 accuracy, 0 to 1.
        top5_interval: Its 95 % confidence interval (Wilson).
        balanced_accuracy: Mean recall of the classes that have pictures.
        macro_f1: Mean F1 of the classes that have pictures.
        reliability: Calibration error and the bins of a reliability diagram.
        per_class: Metrics of each class, in the order of the classes.
        curves: ROC and precision-recall curves of each class, in the order of the classes.
        confusion: Counts ``[true class][predicted class]``.
        mistakes: The most confident wrong predictions, in descending order of confidence.
        split: The evaluated split.
        skipped: For each picture that could not be read, the reason.
        speed: Throughput; None if it was not measured.
        leaks: Evaluated pictures that are also training pictures; None if not searched for.
        top1_without_leaks: Top-1 accuracy on the other pictures; None if there are none, or if
            leaks were not searched for.
    """

    images: int
    top1: float
    top1_interval: Interval
    top5: float
    top5_interval: Interval
    balanced_accuracy: float
    macro_f1: float
    reliability: Reliability
    per_class: tuple[ClassScore, ...]
    curves: tuple[ClassCurves, ...]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Misclassification, ...] = ()
    split: str = "all"
    skipped: tuple[str, ...] = ()
    speed: Speed | None = None
    leaks: Leaks | None = None
    top1_without_leaks: float | None = None

    @property
    def correct(self) -> int:
        """Number of correct predictions."""
        return sum(row[place] for place, row in enumerate(self.confusion))

    def commonest_confusions(self, most: int) -> list[tuple[str, str, int]]:
        """List the most frequent confusions: true class, predicted class, count."""
        names = [score.label for score in self.per_class]
        counts = np.array(self.confusion)
        np.fill_diagonal(counts, 0)
        order = np.argsort(-counts, axis=None, kind="stable")[:most]
        pairs = (divmod(int(index), len(names)) for index in order if counts.flat[index])
        return [(names[true], names[other], int(counts[true, other])) for true, other in pairs]

    def to_dict(self, curves: bool = False) -> dict[str, Any]:
        """Return plain values for JSON; ``curves``: with the points of each class's curves."""
        values: dict[str, Any] = {
            "images": self.images,
            "split": self.split,
            "top1": self.top1,
            "top1_interval": [self.top1_interval.low, self.top1_interval.high],
            "top5": self.top5,
            "top5_interval": [self.top5_interval.low, self.top5_interval.high],
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "calibration": self.reliability.to_dict(),
            "per_class": [vars(score) for score in self.per_class],
            "confusion": [list(row) for row in self.confusion],
            "mistakes": [mistake.to_dict() for mistake in self.mistakes],
            "speed": vars(self.speed) if self.speed else None,
            "leaks": self.leaks.to_dict() if self.leaks else None,
            "top1_without_leaks": self.top1_without_leaks,
            "skipped": list(self.skipped),
        }
        if curves:
            values["curves"] = [both.to_dict() for both in self.curves]
        return values

    def to_frame(self, answers: Predictions | None = None) -> pandas.DataFrame:
        """Return a pandas DataFrame.

        Args:
            answers: The evaluated predictions, for one row per picture; None for one row per
                class, with its metrics.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        with needs_extra("notebook", "to make a data frame"):
            import pandas
        if answers is None:
            return pandas.DataFrame([vars(score) for score in self.per_class])
        classes = np.array(answers.classes, object)
        return pandas.DataFrame(
            {
                "path": [answers.name(index) for index in range(len(answers))],
                "truth": classes[answers.labels],
                "answer": classes[answers.top1],
                "probability": answers.confidence,
                "truth_probability": answers.probabilities[np.arange(len(answers)), answers.labels],
                "right": answers.right,
            }
        )

    def plot_confusion(self) -> Figure:
        """Draw the confusion matrix with matplotlib.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return plots.plot_matrix([score.label for score in self.per_class], self.confusion)

    def _repr_html_(self) -> str:
        names = [score.label for score in self.per_class]
        if len(names) <= _WIDEST:
            below = notebook.matrix(names, self.confusion, tr("true ↓ predicted →"))
        else:
            titles = tr("true"), tr("predicted"), tr("pictures")
            below = notebook.table(titles, self.commonest_confusions(_WIDEST))
        low, high = f"{self.top1_interval.low:.2%}", f"{self.top1_interval.high:.2%}"
        top1 = tr("{top1} (95%: {low} to {high})", top1=f"{self.top1:.2%}", low=low, high=high)
        rows = {
            tr("top-1 accuracy"): top1,
            tr("top-5 accuracy"): f"{self.top5:.2%}" if len(names) > 5 else None,
            tr("macro F1"): f"{self.macro_f1:.3f}",
            tr("pictures"): f"{self.images:,} ({tr(self.split)})",
        }
        return notebook.card(tr("Evaluation"), rows, below)


def evaluate_predictions(answers: Predictions, leaks: Leaks | None = None) -> Evaluation:
    """Compute the metrics of predictions.

    Args:
        answers: Predictions for at least one picture.
        leaks: Duplicates of the pictures in the training data, if they were searched for.
    """
    hits = answers.ranked == answers.labels[:, None]
    confusion = np.zeros((len(answers.classes),) * 2, np.int64)
    np.add.at(confusion, (answers.labels, answers.top1), 1)
    curves = tuple(
        class_curves(label, answers.probabilities[:, number], answers.labels == number)
        for number, label in enumerate(answers.classes)
    )
    scores = _per_class(confusion, curves)
    found = [score for score in scores if score.support]
    return Evaluation(
        images=len(answers),
        top1=float(hits[:, 0].mean()),
        top1_interval=wilson_interval(int(hits[:, 0].sum()), len(answers)),
        top5=float(hits.any(axis=1).mean()),
        top5_interval=wilson_interval(int(hits.sum()), len(answers)),
        balanced_accuracy=sum(score.recall for score in found) / len(found),
        macro_f1=sum(score.f1 for score in found) / len(found),
        reliability=reliability(answers.logits, answers.labels, answers.temperature),
        per_class=scores,
        curves=curves,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        mistakes=most_confident_mistakes(answers),
        split=answers.split,
        skipped=answers.skipped,
        speed=answers.speed,
        leaks=leaks,
        top1_without_leaks=_without_leaks(answers, leaks) if leaks else None,
    )


def _without_leaks(answers: Predictions, leaks: Leaks) -> float | None:
    leaked = {leak.path for leak in leaks.pictures}
    others = [answers.name(index) not in leaked for index in range(len(answers))]
    return float(answers.right[others].mean()) if any(others) else None


def most_confident_mistakes(answers: Predictions) -> tuple[Misclassification, ...]:
    """Return the wrong predictions with the highest confidence; ties in picture order."""
    wrong = np.flatnonzero(~answers.right)
    surest = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:MISTAKES]
    return tuple(
        Misclassification(
            index=int(index),
            path=answers.name(int(index)),
            truth=answers.classes[answers.labels[index]],
            answer=answers.classes[answers.top1[index]],
            probability=float(answers.confidence[index]),
            truth_probability=float(answers.probabilities[index, answers.labels[index]]),
        )
        for index in surest
    )


def _per_class(
    confusion: npt.NDArray[np.int64], curves: tuple[ClassCurves, ...]
) -> tuple[ClassScore, ...]:
    right = confusion.diagonal()
    support, answered = confusion.sum(axis=1), confusion.sum(axis=0)
    precision = right / np.maximum(answered, 1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(answered + support, 1)
    numbers = zip(precision.tolist(), recall.tolist(), f1.tolist(), support.tolist(), strict=True)
    return tuple(
        ClassScore(both.label, *values, both.auc, both.average_precision)
        for both, values in zip(curves, numbers, strict=True)
    )
