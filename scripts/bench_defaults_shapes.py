"""Shapes drawn among clutter, for bench_defaults: what tells is the shape, wherever it lies.

Knows: Pillow's drawing. Does not know what a data set is.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

SIDE = 64
"""Pixels."""

SHAPES = ("disc", "ring", "square", "triangle", "star", "cross", "arrow", "crescent")
COLORS = ((220, 40, 40), (40, 160, 60), (50, 90, 220), (230, 190, 30), (150, 60, 190))
_CORNERS = {
    "square": [(math.pi / 4 + n * math.pi / 2, 1.0) for n in range(4)],
    "triangle": [(-math.pi / 2 + n * 2 * math.pi / 3, 1.0) for n in range(3)],
    "star": [(-math.pi / 2 + n * math.pi / 5, 0.42 if n % 2 else 1.0) for n in range(10)],
    "arrow": [(0.0, 1.0), (2.3, 0.9), (math.pi, 0.3), (-2.3, 0.9)],
}
"""Angle in radians and share of the radius of each corner."""


def draw(
    shape: str, color: tuple[int, int, int] | None, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Draw a shape somewhere among lines and dots.

    Args:
        shape: One of SHAPES.
        color: Of the shape; None: any.
        rng: Of place, size, turn, background and clutter.

    Returns:
        uint8 ``[64, 64, 3]``.
    """
    paper = rng.integers(90, 220, 3)
    noise = rng.normal(0, 18, (SIDE, SIDE, 3))
    picture = Image.fromarray(np.clip(paper + noise, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        ends = [int(number) for number in rng.integers(0, SIDE, 4)]
        pen.line(ends, fill=_any(rng), width=int(rng.integers(1, 3)))
        x, y, size = (int(number) for number in rng.integers((0, 0, 1), (SIDE, SIDE, 4)))
        pen.ellipse((x - size, y - size, x + size, y + size), fill=_any(rng))
    radius = rng.uniform(10, 18)
    x, y = rng.uniform(radius, SIDE - radius, 2)
    _shape(pen, shape, (x, y), radius, rng.uniform(-0.4, 0.4), color or _any(rng), tuple(paper))
    return np.asarray(picture)


def _any(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(number) for number in rng.integers(0, 256, 3))


def _shape(
    pen: ImageDraw.ImageDraw,
    shape: str,
    middle: tuple[float, float],
    radius: float,
    turn: float,
    ink: tuple[int, ...],
    paper: tuple[int, ...],
) -> None:
    def disc(share: float, shift: float, fill: tuple[int, ...]) -> None:
        x, y = middle[0] + shift * radius, middle[1]
        r = radius * share
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(map(int, fill)))

    def polygon(corners: list[tuple[float, float]]) -> None:
        points = [
            (middle[0] + radius * far * math.cos(angle + turn),
             middle[1] + radius * far * math.sin(angle + turn))
            for angle, far in corners
        ]  # fmt: skip
        pen.polygon(points, fill=tuple(map(int, ink)))

    if shape in _CORNERS:
        polygon(_CORNERS[shape])
    elif shape == "cross":
        for start in (0.0, math.pi / 2):
            polygon([(start + a, 1.0) for a in (-0.3, 0.3, math.pi - 0.3, math.pi + 0.3)])
    else:
        disc(1.0, 0.0, ink)
        if shape == "ring":
            disc(0.55, 0.0, paper)
        elif shape == "crescent":
            disc(0.8, 0.45, paper)
