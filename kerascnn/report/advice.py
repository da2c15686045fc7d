"""The figure of advice on fine-tuning: four quadrants, and a bar chart of every stage's probe.

Knows: how numbers are drawn. Does not know how they are measured, or Keras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn.files import atomic_write
from kerascnn.fonts import lettering
from kerascnn.language import tr
from kerascnn.report.drawing import figure_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CORNERS = (
    ("few, different", "train all, carefully", 0.02, 0.03, "left"),
    ("few, similar", "train the head", 0.02, 0.97, "left"),
    ("many, different", "train all, or from scratch", 0.98, 0.03, "right"),
    ("many, similar", "train all, at a low rate", 0.98, 0.97, "right"),
)
_MAX_NAME = 24
"""Maximum characters of a stage's name."""


def write_figure(
    path: str | Path,
    place: tuple[float, float],
    limits: tuple[float, float],
    stages: Sequence[tuple[str, float]],
    pixels: float,
) -> None:
    """Draw the position of a data set, and the linear probe of every stage of the backbone.

    Args:
        path: Path of the figure, ``.png`` or ``.svg``.
        place: Pictures per class, and similarity (accuracy of the last stage's probe minus that of
            the best stage before it).
        limits: The same for the lines between the quadrants.
        stages: Name and accuracy of the probe of each stage, 0 to 1, in order.
        pixels: Accuracy of a probe on the pixels.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = figure_class("to draw the figure")(
        figsize=(9.5, max(4.2, 0.2 * len(stages) + 1.2)), layout="constrained"
    )
    with lettering():
        left, right = figure.subplots(1, 2)
        _quadrants(left, place, limits)
        _stages(right, stages, pixels)
        with atomic_write(path) as temporary:
            form = "svg" if Path(path).suffix.lower() == ".svg" else "png"
            figure.savefig(temporary, format=form, dpi=130)


def _quadrants(axes: Axes, place: tuple[float, float], limits: tuple[float, float]) -> None:
    across, up = _log_position(place[0], place[0], limits[0]), place[1] - limits[1]
    most = max(2000.0, 2 * place[0])
    powers = [10**power for power in range(10) if 10**power <= most]
    names = [f"{n:,}".replace(",000", "k") for n in powers]
    axes.set_xticks([_log_position(n, place[0], limits[0]) for n in powers], names)
    axes.set_xlim(-1, 1)
    # Keep the point away from the labels in the corners.
    reach = max(0.15, 1.6 * abs(up))
    axes.set_ylim(limits[1] - reach, limits[1] + reach)
    axes.axvline(0, color="#999999", lw=1)
    axes.axhline(limits[1], color="#999999", lw=1)
    for title, what, right, height, side in _CORNERS:
        axes.text(right, height, f"{tr(title)}\n{tr(what)}", transform=axes.transAxes, ha=side,
                  va="bottom" if height < 0.5 else "top", fontsize=8, color="#666666",
                  linespacing=1.4)  # fmt: skip
    axes.plot([across], [place[1]], "o", ms=10, color="#c2410c")
    side = "left" if across < -0.6 else "right" if across > 0.6 else "center"
    axes.annotate(tr("your data"), (across, place[1]), (0, 16 if up < 0 else -16),
                  textcoords="offset points", ha=side, va="center", color="#c2410c", fontsize=9,
                  bbox={"color": "white", "pad": 1})  # fmt: skip
    axes.set_xlabel(tr("training pictures per class"))
    axes.set_ylabel(tr("similarity: last stage minus the best before it"))
    axes.set_title(tr("Size and similarity of the data"), fontsize=10)


def _log_position(count: float, shown: float, limit: float) -> float:
    """Scale a number of pictures to -1 to 1, logarithmic on either side of the limit at 0."""
    ends = max(2000.0, 2 * shown) if count > limit else min(1.0, limit / 2)
    return math.log(count / limit) / abs(math.log(ends / limit))


def _stages(axes: Axes, stages: Sequence[tuple[str, float]], pixels: float) -> None:
    names = [tr("pixels"), *(_short(name) for name, _ in stages)]
    values = [100 * pixels, *(100 * probe for _, probe in stages)]
    places = range(len(names))
    bars = axes.barh(places, values, color=["#999999", *["#1d4ed8"] * len(stages)], height=0.65)
    axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=3)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 108)
    axes.set_xlabel(tr("accuracy of the linear probe, %"))
    axes.set_title(tr("Linear probe of each stage"), fontsize=10)


def _short(name: str) -> str:
    """Shorten a long name in the middle, because its ends distinguish stages."""
    half = _MAX_NAME // 2
    return name if len(name) <= _MAX_NAME else f"{name[: half - 1]}…{name[-half:]}"
