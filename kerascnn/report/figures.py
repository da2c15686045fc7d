"""The figures of a report.

Each is an ``<svg>`` element. Knows: what is drawn. Does not know how a figure is embedded in a page
(:mod:`kerascnn.report.drawing`), or class names, which the page shows as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerascnn.language import tr
from kerascnn.metrics.calibration import Reliability
from kerascnn.metrics.curves import ClassCurves
from kerascnn.metrics.epoch import EpochRecord
from kerascnn.report.content import PhaseSpan
from kerascnn.report.drawing import FIRST, INK, SECOND, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SQUARE = (3.2, 3.0)
"""Size in inches of figures with both axes from 0 to 100 %."""


def loss_curves(
    epochs: Sequence[EpochRecord], best: int | None, phase_spans: Sequence[PhaseSpan] = ()
) -> str:
    """Draw training and validation loss; arguments as for :func:`accuracy_curves`."""
    values = [(epoch.loss, epoch.val_loss) for epoch in epochs]
    title = tr("Cross-entropy of training and validation pictures by epoch")
    return _two_curves("loss", title, tr("nats"), values, (epochs, best, phase_spans))


def accuracy_curves(
    epochs: Sequence[EpochRecord], best: int | None, phase_spans: Sequence[PhaseSpan] = ()
) -> str:
    """Draw training and validation accuracy in percent."""
    values = [(100 * epoch.accuracy, 100 * epoch.val_accuracy) for epoch in epochs]
    title = tr("Accuracy on training and validation pictures by epoch")
    return _two_curves("accuracy", title, "%", values, (epochs, best, phase_spans))


def learning_rate_curve(
    epochs: Sequence[EpochRecord], phase_spans: Sequence[PhaseSpan] = ()
) -> str:
    """Draw the learning rate."""

    def draw(axes: Axes) -> None:
        numbers = [epoch.epoch for epoch in epochs]
        axes.plot(numbers, [e.learning_rate for e in epochs], color=FIRST, marker="o", ms=3)
        axes.set_ylim(bottom=0)
        _epoch_axis(axes)
        _phases(axes, phase_spans)

    return drawn("rate", tr("Learning rate at the end of each epoch"), draw)


def reliability_diagram(reliability: Reliability) -> str:
    """Draw the reliability diagram: accuracy against confidence."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 100], [0, 100], color=INK, ls="--", lw=1)
        for one in reliability.bins:
            low, width = 100 * one.low, 100 * (one.high - one.low)
            axes.bar(
                low, 100 * one.accuracy, width * 0.9, align="edge", color=FIRST, alpha=0.6, lw=0
            )
            axes.plot(
                [low, low + width * 0.9], [100 * one.confidence] * 2, color=SECOND, lw=2.5,
                solid_capstyle="butt",
            )  # fmt: skip
        _per_cent(axes, tr("confidence, %"), tr("accuracy, %"))

    return drawn("reliability", tr("Reliability diagram: accuracy by confidence"), draw, _SQUARE)


def roc_curves(curves: Sequence[ClassCurves], marked: ClassCurves) -> str:
    """Draw the ROC curve of every class, with one highlighted."""
    lines = [(one.false_positive_rate, one.true_positive_rate) for one in (*curves, marked)]
    labels = (tr("false positive rate, %"), tr("true positive rate, %"))
    return _class_curves(
        "roc", tr("Receiver operating characteristic of each class"), labels, lines, chance=True
    )


def precision_recall_curves(curves: Sequence[ClassCurves], marked: ClassCurves) -> str:
    """Draw the precision-recall curve of every class, with one highlighted."""
    lines = [(one.recall, one.precision) for one in (*curves, marked)]
    labels = (tr("recall, %"), tr("precision, %"))
    return _class_curves("pr", tr("Precision over recall of each class"), labels, lines)


def _class_curves(
    name: str,
    title: str,
    labels: tuple[str, str],
    lines: Sequence[tuple[Sequence[float], Sequence[float]]],
    chance: bool = False,
) -> str:
    """Draw a curve for each class, with the last one highlighted."""

    def draw(axes: Axes) -> None:
        if chance:
            axes.plot([0, 100], [0, 100], color=INK, ls="--", lw=1)
        for number, line in enumerate(lines, 1):
            across, up = ([100 * share for share in shares] for shares in line)
            marked = number == len(lines)
            color, lw, alpha = (SECOND, 2, 1) if marked else (FIRST, 0.8, 0.55)
            axes.plot(across, up, color=color, lw=lw, alpha=alpha)
        _per_cent(axes, *labels)

    return drawn(name, title, draw, _SQUARE)


def _per_cent(axes: Axes, across: str, up: str) -> None:
    axes.set(xlim=(0, 100), ylim=(0, 101), xlabel=across, ylabel=up)


def _two_curves(
    name: str,
    title: str,
    unit: str,
    values: Sequence[tuple[float, float]],
    marks: tuple[Sequence[EpochRecord], int | None, Sequence[PhaseSpan]],
) -> str:
    """Draw a training metric and a validation metric by epoch."""
    epochs, best, phase_spans = marks
    numbers = [epoch.epoch for epoch in epochs]
    train, val = zip(*values, strict=True)

    def draw(axes: Axes) -> None:
        axes.plot(numbers, train, color=SECOND, marker="o", ms=3, ls="--", label=tr("training"))
        axes.plot(numbers, val, color=FIRST, marker="o", ms=3, label=tr("validation"))
        if best in numbers:
            kept = val[numbers.index(best)]
            axes.plot(best, kept, "o", ms=9, mfc="none", mec=FIRST, label=tr("kept"))
        axes.set_ylabel(unit)
        axes.legend()
        _epoch_axis(axes)
        _phases(axes, phase_spans)

    return drawn(name, title, draw)


def _phases(axes: Axes, phase_spans: Sequence[PhaseSpan]) -> None:
    if len(phase_spans) < 2:
        return
    for number, span in enumerate(phase_spans):
        if number:
            axes.axvline(span.first - 0.5, color=INK, lw=0.8, ls=":")
        # Above the axes, clear of the curves; at two heights, because phases may be short.
        axes.text(
            (span.first + span.last) / 2, 1.02 + 0.08 * (number % 2), span.scope,
            transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8, color=INK,
        )  # fmt: skip


def _epoch_axis(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(tr("epoch"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
