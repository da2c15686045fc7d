"""matplotlib figures for Python and notebooks: learning curves, confusion matrix.

Knows: matplotlib, which is imported when a figure is drawn. Does not know where the numbers come
from. :mod:`kerascnn.report` draws the figures of the HTML report.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerascnn.errors import needs_extra
from kerascnn.fonts import font_families, lettering
from kerascnn.language import tr
from kerascnn.printable import columns, fitting, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE = "#2563c9", "#c2620a"
_LONGEST = 24
"""Maximum width of a class name, in columns."""
_COLUMN, _CELL = 0.085, 0.42
"""Width of a text column, and side of a cell, in inches."""
_MOST_NAMES = 40
"""Maximum classes with names and counts; with more, only the pattern is visible."""
_PATTERN = 9.0
"""Side of a figure without names, in inches."""


def plot_curves(
    loss: Sequence[tuple[float, float]], accuracy: Sequence[tuple[float, float]]
) -> Figure:
    """Draw training and validation loss (nats) and accuracy (0 to 1) by epoch.

    Returns:
        A figure with two axes, without a window: ``figure.savefig("curves.png")``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = _figure((9.0, 3.2))
    with lettering():
        left, right = figure.subplots(1, 2)
        _lines(left, loss, tr("loss, nats"))
        _lines(right, [(100 * one, 100 * two) for one, two in accuracy], tr("accuracy, %"))
        right.legend(frameon=False)
    return figure


def _lines(axes: Axes, pairs: Sequence[tuple[float, float]], label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(pairs) + 1)
    marker = "o" if len(pairs) == 1 else ""
    # Same colors and lines as in the report.
    training, validation = zip(*pairs, strict=True) if pairs else ((), ())
    axes.plot(epochs, training, color=_ORANGE, marker=marker, ls="--", label=tr("training"))
    axes.plot(epochs, validation, color=_BLUE, marker=marker, label=tr("validation"))
    axes.set_xlabel(tr("epoch"))
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5 if len(pairs) == 1 else 1, len(pairs) + 0.5 * (len(pairs) == 1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def plot_matrix(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Draw a confusion matrix of counts ``[true class][predicted class]``, shaded by row.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    names = [_short(name) for name in classes] if len(classes) <= _MOST_NAMES else []
    room = 0.8 + _COLUMN * max(map(columns, names), default=0)
    side = room + max(1.6, _CELL * len(names)) if names else _PATTERN
    figure = _figure((side, side))
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    with lettering():
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xlabel(tr("predicted"))
        axes.set_ylabel(tr("true"))
    if names:
        family = font_families()
        axes.set_xticks(range(len(names)), names, rotation=90, family=family)
        axes.set_yticks(range(len(names)), names, family=family)
        _write_counts(axes, counts, shares)
    return figure


def _write_counts(
    axes: Axes, counts: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]
) -> None:
    for row, values in enumerate(counts):
        for column, count in enumerate(values):
            if count:
                color = "white" if shares[row][column] > 0.6 else "black"
                axes.text(column, row, f"{count:,}", ha="center", va="center", color=color, size=8)


def _short(name: str) -> str:
    # A dollar sign would start a formula.
    return fitting(printable(name), _LONGEST).replace("$", r"\$")


def _figure(size: tuple[float, float]) -> Figure:
    """Create a figure without a window, which a notebook shows only as the value of a cell."""
    with needs_extra("notebook", "to draw a figure"):
        from matplotlib.figure import Figure

    class Shown(Figure):
        """A figure that a notebook shows as a picture."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=110)
            return file.getvalue()

    return Shown(figsize=size, layout="constrained")
