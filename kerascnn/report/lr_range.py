"""The picture of a learning-rate range test, as a PNG of its own.

Knows: how it is drawn. Does not know how the losses came about.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from kerascnn.language import tr
from kerascnn.report.drawing import lettering


def range_test_png(
    rates: Sequence[float], losses: Sequence[float], marks: Sequence[tuple[str, float]]
) -> bytes:
    """Draw the smoothed loss over the learning rate.

    Args:
        rates: Rates of each step, rising.
        losses: Smoothed, in nats, of each step.
        marks: Names and rates to mark.
    """
    from matplotlib.figure import Figure

    with lettering():
        figure = Figure(figsize=(6.4, 4.0), layout="constrained", dpi=120)
        axes = figure.add_subplot()
        axes.plot(rates, losses, color="#1f5fa8", lw=2)
        for number, (name, rate) in enumerate(marks):
            axes.axvline(
                rate, color=("#c2410c", "#6b7280", "#6b7280")[number], ls=("-", "--", ":")[number],
                lw=1.4, label=f"{tr(name)}: {rate:.2g}",
            )  # fmt: skip
        axes.set(
            xscale="log", xlabel=tr("learning rate"), ylabel=tr("smoothed training loss, nats")
        )
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()
