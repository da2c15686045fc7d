"""Figures: from numbers to SVG that lives inside a page.

Knows: matplotlib. Does not know HTML, nor class names: those stand in the page as text, where
the reader's own fonts show any script.

matplotlib colours a figure once; a page has a light and a dark look. So figures are drawn in a
few marker colours, which are then replaced by the page's CSS variables. Style attributes become
plain SVG attributes, so that the page's content policy can forbid inline styles.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from kerascnn.report.content import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT, _FIRST, _SECOND = "#000001", "#000002", "#000003", "#000004"
_VARIABLES = {
    _INK: "var(--ink)",
    _FAINT: "var(--line)",
    _FIRST: "var(--first)",
    _SECOND: "var(--second)",
}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_SIZE = (4.2, 2.6)
"""Inches; the page scales the figure to its column."""

_STYLE: Any = {  # matplotlib types each key on its own
    "svg.fonttype": "none",
    "svg.hashsalt": "kerascnn",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
}


def loss_curves(epochs: Sequence[Epoch], best: int | None) -> str:
    """Draw training and validation loss.

    Args:
        epochs: At least one.
        best: Number of the epoch to mark, or None.

    Returns:
        An ``<svg>`` element.
    """
    return _figure(
        "loss",
        "Cross-entropy of training and validation pictures by epoch",
        lambda axes: _pair(
            axes, epochs, best, [e.loss for e in epochs], [e.val_loss for e in epochs], "nats"
        ),
    )


def accuracy_curves(epochs: Sequence[Epoch], best: int | None) -> str:
    """Draw training and validation accuracy in per cent.

    Args:
        epochs: At least one.
        best: Number of the epoch to mark, or None.

    Returns:
        An ``<svg>`` element.
    """
    return _figure(
        "accuracy",
        "Accuracy on training and validation pictures by epoch",
        lambda axes: _pair(
            axes,
            epochs,
            best,
            [100 * e.accuracy for e in epochs],
            [100 * e.val_accuracy for e in epochs],
            "%",
        ),
    )


def learning_rate_curve(epochs: Sequence[Epoch]) -> str:
    """Draw the learning rate.

    Args:
        epochs: At least one.

    Returns:
        An ``<svg>`` element.
    """

    def draw(axes: Axes) -> None:
        numbers = [epoch.number for epoch in epochs]
        axes.plot(numbers, [e.learning_rate for e in epochs], color=_FIRST, marker="o", ms=3)
        axes.set_ylim(bottom=0)
        _epoch_axis(axes)

    return _figure("rate", "Learning rate at the end of each epoch", draw)


def _pair(
    axes: Axes,
    epochs: Sequence[Epoch],
    best: int | None,
    train: Sequence[float],
    val: Sequence[float],
    unit: str,
) -> None:
    numbers = [epoch.number for epoch in epochs]
    axes.plot(numbers, train, color=_SECOND, marker="o", ms=3, ls="--", label="training")
    axes.plot(numbers, val, color=_FIRST, marker="o", ms=3, label="validation")
    if best in numbers:
        place = numbers.index(best)
        axes.plot(best, val[place], "o", ms=9, mfc="none", mec=_FIRST, label="kept")
    axes.set_ylabel(unit)
    axes.legend()
    _epoch_axis(axes)


def _epoch_axis(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _figure(
    name: str, description: str, draw: Callable[[Axes], None], size: tuple[float, float] = _SIZE
) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return embeddable(file.getvalue(), name, description)


def embeddable(svg: str, name: str, description: str) -> str:
    """Make matplotlib's SVG fit to stand inside a page.

    Args:
        svg: A whole SVG document.
        name: Put before every id, so that two figures in one page do not share any.
        description: For those who cannot see it.

    Returns:
        An ``<svg>`` element without styles, scripts or references to the outside.
    """
    ElementTree.register_namespace("", _SVG.strip("{}"))
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata") or "metadata" in child.tag:
                parent.remove(child)
    for element in root.iter():
        _plain_attributes(element, name)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-label", description)
    return ElementTree.tostring(root, encoding="unicode")


def _plain_attributes(element: ElementTree.Element, name: str) -> None:
    style = element.attrib.pop("style", "")
    for declaration in filter(str.strip, style.split(";")):
        key, _, value = declaration.partition(":")
        if key.strip() == "font":
            size = re.search(r"[\d.]+px", value)
            element.set("font-size", size[0] if size else "10px")
        elif key.strip() != "font-family":
            element.set(key.strip(), value.strip())
    if _LINK in element.attrib:
        element.set("href", element.attrib.pop(_LINK))
    for key, value in element.attrib.items():
        value = _VARIABLES.get(value, value)
        if key == "id":
            value = f"{name}-{value}"
        elif key == "href":
            value = value.replace("#", f"#{name}-")
        else:
            value = value.replace("url(#", f"url(#{name}-")
        element.set(key, value)
