"""Figures that commands write as separate PNG files.

Knows: how they are drawn. Does not know how their numbers are computed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from kerascnn.fonts import lettering
from kerascnn.language import tr

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOR = "#1f5fa8"


def importances_png(importances: Mapping[str, float]) -> bytes:
    """Draw the importance of each hyperparameter in a search."""
    ranked = sorted(importances.items(), key=lambda one: one[1])

    def draw(axes: Axes) -> None:
        bars = axes.barh([name for name, _ in ranked], [share for _, share in ranked], color=_COLOR)
        axes.bar_label(bars, fmt="%.2f", padding=3)
        label = tr("importance for the validation accuracy (PED-ANOVA)")
        axes.set(xlabel=label, xlim=(0, 1.1))

    return _png(draw, 1.2 + 0.4 * len(ranked))


def range_test_png(
    rates: Sequence[float], losses: Sequence[float], marks: Sequence[tuple[str, float]]
) -> bytes:
    """Draw the smoothed loss over the learning rate.

    Args:
        rates: Learning rate of each step, ascending.
        losses: Smoothed loss of each step, in nats.
        marks: Names and rates to mark.
    """

    def draw(axes: Axes) -> None:
        axes.plot(rates, losses, color=_COLOR, lw=2)
        for number, (name, rate) in enumerate(marks):
            axes.axvline(
                rate, color=("#c2410c", "#6b7280", "#6b7280")[number], ls=("-", "--", ":")[number],
                lw=1.4, label=f"{tr(name)}: {rate:.2g}",
            )  # fmt: skip
        axes.set(
            xscale="log", xlabel=tr("learning rate"), ylabel=tr("smoothed training loss, nats")
        )
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)

    return _png(draw, 4.0)


def _png(draw: Callable[[Axes], None], height: float) -> bytes:
    from matplotlib.figure import Figure

    with lettering():
        figure = Figure(figsize=(6.4, height), layout="constrained", dpi=120)
        axes = figure.add_subplot()
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
