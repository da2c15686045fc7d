"""Draws how a filter slides over a picture, with the sums.

Knows: matplotlib, and which steps to show, number by number. Does not know how a convolution is
computed efficiently (:mod:`kerascnn.convolution`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerascnn.convolution import Array, Padding, convolve, padded
from kerascnn.errors import ConfigError
from kerascnn.files import atomic_write
from kerascnn.fonts import lettering
from kerascnn.language import tr
from kerascnn.report.drawing import figure_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST = 7
"""Maximum rows or columns of a filter; the numbers of a larger one would be illegible."""

_MARK = "#d1495b"
_LARGEST_GRID = 12
"""Maximum rows or columns of a picture that is shown with its numbers."""


def write_steps(
    picture: npt.NDArray[np.uint8], kernel: Array, stride: int, padding: Padding, out: str | Path
) -> None:
    """Draw a few steps of a filter: the pixels under it, the filter, the products, their sum.

    Args:
        picture: uint8 ``[height, width]``, or ``[height, width, 3]``, whose green channel is shown.
        kernel: Filter ``[height, width]``, at most 7 x 7.

    Raises:
        ConfigError: A filter that is too large to show, or does not fit the picture.
        MissingExtraError: matplotlib is not installed.
    """
    if max(kernel.shape) > WIDEST:
        raise ConfigError(
            f"the filter is {kernel.shape[0]} x {kernel.shape[1]}; steps can be shown for at "
            f"most {WIDEST} x {WIDEST}."
        )
    new_figure = figure_class("to draw the steps")
    gray = picture if picture.ndim == 2 else picture[:, :, 1]
    surrounded = padded(gray, kernel.shape, stride, padding)
    answer = convolve(gray, kernel, stride, padding)
    places = walk(answer)
    heights = [4, 2.2 * len(places)]
    figure = new_figure(figsize=(9, sum(heights)), layout="constrained")
    with lettering():
        top, below = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=heights)))
        before, after = top.subplots(1, 2)
        _show(
            before, surrounded, tr("the picture with its zeros") if padding else tr("the picture")
        )
        _show(after, answer, tr("the feature map"))
        rows = np.atleast_2d(below.subplots(len(places), 3))
        for number, (place, axes) in enumerate(zip(places, rows, strict=True), 1):
            row, column = place[0] * stride, place[1] * stride
            _mark(before, (row, column), kernel.shape, surrounded.shape, number)
            _mark(after, place, (1, 1), answer.shape, number)
            patch = surrounded[row : row + kernel.shape[0], column : column + kernel.shape[1]]
            _show_step(axes, number, patch, kernel, surrounded)
        with atomic_write(out) as temporary:
            figure.savefig(temporary, format="png", dpi=110)


def walk(answer: Array) -> list[tuple[int, int]]:
    """Choose the steps to show.

    Args:
        answer: The feature map, ``[height, width]``.

    Returns:
        Positions in the order of the filter: a few steps along a row, one in the next row, and the
        last. They start at the top left of a small feature map, and at the strongest response of a
        large one, because the corner of a photograph shows little.

    Examples:
        >>> walk(np.zeros((4, 4)))
        [(0, 0), (0, 1), (0, 2), (1, 0), (3, 3)]
    """
    height, width = answer.shape
    row, column = 0, 0
    if max(answer.shape) > _LARGEST_GRID:
        row, column = (
            int(place) for place in np.unravel_index(np.abs(answer).argmax(), (height, width))
        )
    wanted = [(row, column + step) for step in range(3)] + [
        (row + 1, column),
        (height - 1, width - 1),
    ]
    return sorted({(down, right) for down, right in wanted if down < height and right < width})


def _show(
    axes: Axes, numbers: Array, title: str, limits: tuple[float, float] | None = None
) -> None:
    low, high = limits or (float(numbers.min()), float(numbers.max()))
    axes.imshow(numbers, cmap="gray", interpolation="nearest", vmin=low, vmax=high)
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
    if max(numbers.shape) > _LARGEST_GRID:
        return
    for (row, column), value in np.ndenumerate(numbers):
        dark = float(value) <= (low + high) / 2
        axes.text(
            column, row, f"{float(value):.4g}", ha="center", va="center", fontsize=8,
            color="white" if dark else "black",
        )  # fmt: skip


def _mark(
    axes: Axes, start: tuple[int, int], size: Sequence[int], shape: Sequence[int], number: int
) -> None:
    from matplotlib.patches import Rectangle

    if max(shape) <= _LARGEST_GRID:
        corner = (start[1] - 0.5, start[0] - 0.5)
        box = Rectangle(corner, size[1], size[0], fill=False, edgecolor=_MARK, linewidth=1.5)
        axes.add_patch(box)
        axes.annotate(
            str(number), corner, (2, -2), textcoords="offset points", color=_MARK, fontsize=9,
            fontweight="bold", ha="left", va="top",
        )  # fmt: skip
    elif number == 1:
        # The filter is a speck in a photograph, so a ring around it is drawn instead.
        middle = (start[1] + size[1] / 2, start[0] + size[0] / 2)
        axes.plot(*middle, "o", ms=14, mfc="none", mec=_MARK, mew=1.5)


def _show_step(
    axes: Sequence[Any], number: int, patch: Array, kernel: Array, picture: Array
) -> None:
    products = patch.astype(float) * kernel + 0.0  # + 0.0 turns -0.0 into 0.0
    beneath, weights, result = axes
    limits = float(picture.min()), float(picture.max())
    _show(beneath, patch, tr("step {number}: under the filter", number=number), limits)
    _show(weights, kernel, tr("× the filter"))
    _show(result, products, tr("= products, and their sum: {total}", total=f"{products.sum():.6g}"))
