"""The figure of advice on fine-tuning: four quadrants, and a score for every stage.

Knows: how numbers are drawn. Does not know how they are measured, nor Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn.files import writing
from kerascnn.report.drawing import figure_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CORNERS = (
    ("few, unlike", "train all, with care", 0.02, 0.04, "left"),
    ("few, similar", "train the head", 0.02, 0.93, "left"),
    ("many, unlike", "train all, or from scratch", 0.98, 0.04, "right"),
    ("many, similar", "train all, at a low rate", 0.98, 0.93, "right"),
)


def write_figure(
    path: str | Path,
    place: tuple[float, float],
    limits: tuple[float, float],
    stages: Sequence[tuple[str, float]],
    pixels: float,
) -> None:
    """Draw where a data set stands, and what every stage of the backbone knows about it.

    Args:
        path: ``.png`` or ``.svg``.
        place: Pictures a class, and similarity (the last stage's probe minus the best one before
            it).
        limits: The same of the lines between the quadrants.
        stages: Name and accuracy of the probe, 0 to 1, in order.
        pixels: Accuracy of the probe on the pixels alone.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = figure_class("to draw the figure")(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _quadrants(left, place, limits)
    _stages(right, stages, pixels)
    with writing(path) as temporary:
        form = "svg" if Path(path).suffix.lower() == ".svg" else "png"
        figure.savefig(temporary, format=form, dpi=130)


def _quadrants(axes: Axes, place: tuple[float, float], limits: tuple[float, float]) -> None:
    count, similarity = place
    reach = max(0.15, 1.2 * abs(similarity - limits[1]))
    axes.set_xscale("log")
    axes.set_xlim(min(2.0, count / 2), max(2000.0, 2 * count))
    axes.set_ylim(limits[1] - reach, limits[1] + reach)
    axes.axvline(limits[0], color="#999999", lw=1)
    axes.axhline(limits[1], color="#999999", lw=1)
    for title, what, across, up, side in _CORNERS:
        axes.text(across, up, f"{title}\n{what}", transform=axes.transAxes, ha=side,
                  va="bottom" if up < 0.5 else "top", fontsize=8, color="#666666",
                  linespacing=1.4)  # fmt: skip
    axes.plot([count], [similarity], "o", ms=10, color="#c2410c")
    axes.annotate("your data", (count, similarity), (0, -18), textcoords="offset points",
                  ha="center", color="#c2410c", fontsize=9)  # fmt: skip
    axes.set_xlabel("training pictures a class")
    axes.set_ylabel("similarity: last stage minus the best before it")
    axes.set_title("Where the data stands", fontsize=10)


def _stages(axes: Axes, stages: Sequence[tuple[str, float]], pixels: float) -> None:
    names = ["pixels", *(name for name, _ in stages)]
    values = [100 * pixels, *(100 * probe for _, probe in stages)]
    bars = axes.bar(names, values, color=["#999999", *["#1d4ed8"] * len(stages)], width=0.65)
    axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_ylim(0, 108)
    axes.set_ylabel("linear probe, % right")
    axes.tick_params(axis="x", labelrotation=30 if len(names) > 5 else 0, labelsize=8)
    axes.set_title("What each stage knows about it", fontsize=10)
