"""HTML of objects in a notebook: cards, bars and tables.

Knows: HTML, and that all names are untrusted. Does not know what is shown.

A notebook may be light or dark, and has its own styles. So all text keeps the notebook's color, and
lines and fills are translucent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from kerascnn.printable import printable

_LINE = "1px solid rgba(128,128,128,.35)"
"""Border style with a gray that is visible on light and dark notebooks."""

_FILL = "37,99,201"
"""Red, green and blue of bars and cells; text on it is legible up to half opacity."""
_STRONGEST = 0.5
"""Opacity of the strongest cell, see above."""

_CELL = "padding:.15rem .5rem;text-align:right;white-space:nowrap;"
_NAME = (
    "padding:.15rem .5rem;text-align:left;max-width:min(14rem,40vw);overflow:hidden;"
    "text-overflow:ellipsis;white-space:nowrap;"
)


def text(value: object) -> str:
    """Escape a value for HTML."""
    return escape(printable(str(value)))


def card(title: str, rows: Mapping[str, object], below: str = "") -> str:
    """Return a card with a title, rows of facts, and HTML below; empty values are left out."""
    cells = "".join(
        f'<span style="opacity:.7">{text(name)}</span>'
        f'<span style="overflow-wrap:anywhere">{text(value)}</span>'
        for name, value in rows.items()
        if value not in (None, "")
    )
    return (
        f'<div style="border:{_LINE};border-radius:.5rem;padding:.7rem 1rem;width:fit-content;'
        "min-width:min(100%,44rem);max-width:100%;"
        'box-sizing:border-box;font-variant-numeric:tabular-nums">'
        f'<div style="font-weight:600;overflow-wrap:anywhere">{text(title)}</div>'
        '<div style="display:grid;grid-template-columns:max-content minmax(0,1fr);'
        'align-items:baseline;gap:.1rem .9rem;margin-top:.3rem;max-width:42rem">'
        f"{cells}</div>{below}</div>"
    )


def bars(shares: Sequence[tuple[str, float]]) -> str:
    """Return a bar chart of names with their shares, 0 to 1."""
    rows = "".join(
        f'<span style="{_NAME}max-width:11rem" title="{text(name)}">{text(name)}</span>'
        f'<span style="background:rgba({_FILL},.12);border-radius:.2rem;height:.9em">'
        f'<span style="display:block;width:{100 * share:.1f}%;height:100%;border-radius:.2rem;'
        f'background:rgb({_FILL})"></span></span>'
        f'<span style="text-align:right">{share:.1%}</span>'
        for name, share in shares
    )
    return (
        '<div style="display:grid;grid-template-columns:max-content minmax(4rem,1fr) max-content;'
        'gap:.25rem .6rem;align-items:center;max-width:34rem;font-variant-numeric:tabular-nums">'
        f"{rows}</div>"
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table, which may scroll, whose first column has names, indented by spaces."""
    if not rows:
        return ""
    head = "".join(
        f'<th style="{_NAME if number == 0 else _CELL}font-weight:600">{text(heading)}</th>'
        for number, heading in enumerate(headings)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row, range(len(row))))}</tr>" for row in rows)
    return _scrolling(f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>")


def _cell(value: object, column: int) -> str:
    if column:
        return f'<td style="{_CELL}">{text(value)}</td>'
    name = str(value)
    depth = (len(name) - len(name.lstrip())) / 2
    style = f"{_NAME}padding-left:{0.5 + depth}rem"
    return f'<td style="{style}" title="{text(name.strip())}">{text(name.strip())}</td>'


def matrix(classes: Sequence[str], counts: Sequence[Sequence[int]], corner: str) -> str:
    """Return a confusion matrix, with true classes as rows and predicted classes as columns.

    Args:
        classes: Class names, in the order of both axes.
        counts: ``[true class][predicted class]``; each is shaded by its share of its row.
        corner: Label of the two axes.

    Returns:
        HTML that scrolls horizontally if it is too wide.
    """
    across = "".join(
        f'<th style="vertical-align:bottom;padding:.15rem;font-weight:400" title="{text(name)}">'
        '<span style="writing-mode:vertical-rl;text-orientation:sideways;'
        "transform:rotate(180deg);max-height:9rem;"
        f'overflow:hidden;text-overflow:ellipsis;white-space:nowrap">{text(name)}</span></th>'
        for name in classes
    )
    rows = "".join(
        f'<tr><th style="{_NAME}font-weight:400" title="{text(name)}">{text(name)}</th>'
        f"{''.join(_shaded(count, max(1, sum(row))) for count in row)}</tr>"
        for name, row in zip(classes, counts, strict=True)
    )
    head = f'<th style="{_NAME}vertical-align:bottom;opacity:.7">{text(corner)}</th>{across}'
    return _scrolling(f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>")


def _shaded(count: int, of: int) -> str:
    strength = _STRONGEST * count / of
    style = f"{_CELL}text-align:center;background:rgba({_FILL},{strength:.2f})"
    return f'<td style="{style}">{count:,}</td>' if count else f'<td style="{style}">·</td>'


def _scrolling(inside: str) -> str:
    return (
        '<div style="overflow-x:auto;max-width:100%"><table style="border-collapse:collapse;'
        f'margin:.4rem 0;font-size:inherit;color:inherit;font-variant-numeric:tabular-nums">'
        f"{inside}</table></div>"
    )
