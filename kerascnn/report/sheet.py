"""Writes a sheet of pictures with captions, as one SVG or PNG file.

Knows: tiles in rows, XML. Does not know what the pictures show.

Captions are text in the SVG, which the reader's fonts show in any script; this machine may have no
font with Hangul to draw them. A PNG contains only the pictures.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from kerascnn.files import atomic_write, write_text
from kerascnn.images import UInt8Array
from kerascnn.printable import fitting
from kerascnn.report.data_url import data_url

_GAP, _LINE, _TITLE = 12, 15, 24
"""Gap between tiles, height of a line of text, and height of a title, in pixels."""

_FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans KR', "
    "'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"
)


@dataclass(frozen=True)
class Tile:
    """A picture with a caption.

    Attributes:
        picture: uint8 ``[height, width, 3]``.
        words: Lines of the caption; a line too long for the tile is truncated, with the full text
            as a tooltip.
    """

    picture: UInt8Array
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A titled row of tiles."""

    title: str
    tiles: tuple[Tile, ...]


def write_sheet(
    path: str | Path, title: str, rows: Sequence[Row], side: int = 160, columns: int = 8
) -> None:
    """Write a sheet of tiles, ``side`` pixels wide, at most ``columns`` side by side.

    Raises:
        KerascnnError: It cannot be written.
    """
    if Path(path).suffix.lower() == ".png":
        with atomic_write(path) as temporary:
            Image.fromarray(_joined(rows, side, columns)).save(temporary)
    else:
        write_text(path, draw_sheet(title, rows, side, columns))


def draw_sheet(title: str, rows: Sequence[Row], side: int = 160, columns: int = 8) -> str:
    """Return a sheet as SVG."""
    columns = min(columns, max(len(row.tiles) for row in rows))
    width = _GAP + columns * (side + _GAP)
    parts, y = [_text(title, _GAP, _TITLE, 17, width, bold=True)], _TITLE + _GAP
    for row in rows:
        y += _TITLE
        parts.append(_text(row.title, _GAP, y, 13, width, bold=True))
        y += _GAP // 2
        for start in range(0, len(row.tiles), columns):
            line = row.tiles[start : start + columns]
            parts += [
                _tile(tile, _GAP + number * (side + _GAP), y, side)
                for number, tile in enumerate(line)
            ]
            y += side + _LINE * max(len(tile.words) for tile in line) + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
        f'viewBox="0 0 {width} {y}" font-family="{_FONT}">\n'
        f"<title>{_escaped(title)}</title>\n"
        f'<rect width="{width}" height="{y}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _tile(tile: Tile, x: int, y: int, side: int) -> str:
    height, width = tile.picture.shape[:2]
    # Small maps are enlarged with sharp pixels; photographs are smoothed.
    pixelated = ' style="image-rendering:pixelated"' if max(height, width) < side else ""
    image = (
        f'<image x="{x}" y="{y}" width="{side}" height="{side}"{pixelated} '
        f'href="{data_url(tile.picture)}"/>'
    )
    lines = [
        _text(line, x, y + side + _LINE * number - 2, 12, side)
        for number, line in enumerate(tile.words, 1)
    ]
    return "\n".join([image, *lines])


def _text(words: str, x: int, y: int, size: int, room: int, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    shown = fitting(words, int(room / (size * 0.56)))
    whole = f"<title>{_escaped(words)}</title>" if shown != words else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}"{weight} fill="#1d2430">'
        f"{_escaped(shown)}{whole}</text>"
    )


def _escaped(words: str) -> str:
    # XML does not allow control characters and surrogates, even escaped.
    legal = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in words)
    return escape(legal)


def _joined(rows: Sequence[Row], side: int, columns: int) -> UInt8Array:
    columns = min(columns, max(len(row.tiles) for row in rows))
    lines = [
        row.tiles[start : start + columns]
        for row in rows
        for start in range(0, len(row.tiles), columns)
    ]
    step = side + _GAP
    sheet = np.full((_GAP + len(lines) * step, _GAP + columns * step, 3), 255, np.uint8)
    for down, line in enumerate(lines):
        for right, tile in enumerate(line):
            top, left = _GAP + down * step, _GAP + right * step
            sheet[top : top + side, left : left + side] = _fitted(tile.picture, side)
    return sheet


def _fitted(picture: UInt8Array, side: int) -> UInt8Array:
    small = max(picture.shape[:2]) < side
    method = Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(picture).resize((side, side), method))
