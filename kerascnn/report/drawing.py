"""Draws matplotlib figures as SVG for embedding in a page.

Knows: matplotlib's style, colors as CSS variables, and which SVG the page's policy allows. Does not
know what is drawn (:mod:`kerascnn.report.figures`).

matplotlib's colors are fixed, but a page has a light and a dark mode. So figures are drawn in
placeholder colors, which are then replaced by the page's CSS variables. Style attributes become
plain SVG attributes, so that the page's policy can forbid inline styles. Text stays text, which the
reader's fonts show in any script.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from kerascnn.errors import needs_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, FIRST, SECOND = "#000001", "#000002", "#000003", "#000004"
_VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
}
"""CSS variables that replace the placeholder colors in the SVG, so that dark mode works."""

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_SIZE = (4.2, 2.6)
"""Default size of a figure in inches; the page scales it to its column."""

_STYLE: Any = {  # Any, because matplotlib types each key separately
    "svg.fonttype": "none",
    "svg.hashsalt": "kerascnn",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


def figure_class(purpose: str) -> type[Figure]:
    """Import matplotlib's Figure, for a figure in a separate file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with needs_extra("report", purpose):
        from matplotlib.figure import Figure
    return Figure


@contextmanager
def _reader_has_the_font() -> Iterator[None]:
    """Suppress warnings about missing glyphs, because text in the SVG uses the reader's fonts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def drawn(
    name: str, description: str, draw: Callable[[Axes], None], size: tuple[float, float] = _SIZE
) -> str:
    """Draw a figure.

    Args:
        name: Unique name within the page.
        description: Text alternative for screen readers.
        draw: Draws into the axes, with the colors :data:`INK`, :data:`FAINT`, :data:`FIRST` and
            :data:`SECOND`.
        size: Size in inches; the page scales the figure to its column.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE), _reader_has_the_font():
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return embeddable(file.getvalue(), name, description)


def embeddable(svg: str, name: str, description: str) -> str:
    """Make matplotlib's SVG embeddable in a page.

    Args:
        svg: A complete SVG document.
        name: Prefix of every ID, so that IDs of figures in one page do not collide.
        description: Text alternative for screen readers.

    Returns:
        An ``<svg>`` element without styles, scripts or external references.
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
