"""Resamples pictures exactly as Pillow and TensorFlow do, by any library's rules and our own.

Knows: filters and their weights. Does not know which part of a picture is resized
(:mod:`kerascnn.images.geometry`).

With ``antialias``: Pillow's resampling, one side after the other, rounded to integers in between.
The order of sides depends on Pillow's version and on the picture; here it is always that of Pillow
13. Without: ``tf.image.resize(antialias=False)``, rounded (halves to even), because a model's input
has integers. For ``bicubic`` and ``lanczos``, about one value in a thousand, whose rounding depends
on the last bit, differs by one level.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn.images.geometry import Side, sides
from kerascnn.resizing import Filter, Resizing, Shape

UInt8Array = npt.NDArray[np.uint8]
Taps = tuple[npt.NDArray[np.intp], npt.NDArray[np.floating[Any]]]
"""Indices and weights of the input pixels for each output pixel, both ``[pixels, taps]``."""

_PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Pillow's filters by kerascnn's names, which torchvision and Keras share."""

PRECISION_BITS = 22
"""Precision of Pillow's weights, which are integer multiples of 2**-22."""

SUPPORT = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
"""Radius of each filter in input pixels, unless it downscales."""

LANCZOS_BITS = 20
"""Precision of Lanczos weights without antialias: integer multiples of 2**-20, which float64 sums
exactly, because the last bit of sines differs between libraries."""

TABLE = 1024
"""Number of steps in TensorFlow's table of cubic weights."""

_STRIP = 1 << 20
"""Pixels to resize at a time, because Pillow copies its input."""

_LONGEST = 8
"""Ratio of resized length to kept length above which only the kept part is computed."""


def sized_as(rgb: UInt8Array, shape: Shape, sizing: Resizing) -> UInt8Array:
    """Resize RGB, uint8 ``[height, width, 3]``, to ``[*shape, 3]`` like another library."""
    vertical, horizontal = sides(rgb.shape[0], rgb.shape[1], shape, sizing)
    seen = rgb[vertical.first : vertical.last, horizontal.first : horizontal.last]
    if sizing.antialias:
        height, width = seen.shape[:2]
        first = vertical_first(height, width, vertical.length, horizontal.length)
        sized = by_pillow(seen, vertical, horizontal, sizing.filter, first)
    else:
        sized = _with_tensorflow(seen, vertical, horizontal, sizing.filter)
    return placed(sized, vertical, horizontal, shape, sizing.pad_color)


def placed(
    sized: UInt8Array, down: Side, across: Side, shape: Shape, color: tuple[int, int, int]
) -> UInt8Array:
    """Place a resized picture on an input of one color, unless it fills the input."""
    if sized.shape[:2] == shape:
        return sized
    canvas = np.zeros((*shape, 3), np.uint8)
    if any(color):
        canvas[:] = color
    top, left = down.offset, across.offset
    canvas[top : top + down.count, left : left + across.count] = sized
    return canvas


def vertical_first(height: int, width: int, rows: int, columns: int) -> bool:
    """Return whether Pillow 13 resizes vertically first; found by experiment."""
    return height > rows and height - rows > 2 * (width - columns)


def by_pillow(
    rgb: UInt8Array, down: Side, across: Side, kind: Filter, down_first: bool
) -> UInt8Array:
    """Resize the two sides one after the other with Pillow's filters.

    Args:
        rgb: uint8 ``[height, width, 3]``.
        down: How the height is resized.
        across: How the width is resized.
        kind: The filter.
        down_first: Whether the height is resized before the width.

    Returns:
        uint8 ``[down.count, across.count, 3]``.
    """
    if kind == "nearest":
        rows, columns = (_nearest(side) for side in (down, across))
        return np.ascontiguousarray(rgb[rows][:, columns])
    height, width = rgb.shape[:2]
    still = _is_unchanged(down, height), _is_unchanged(across, width)
    if all(still):
        kept_rows, kept_columns = (slice(one.skip, one.skip + one.count) for one in (down, across))
        return rgb[kept_rows, kept_columns]
    if down_first:
        return np.asarray(_pass(_pass(Image.fromarray(rgb), down, kind, 0), across, kind, 1))
    first, last = (0, height) if any(still) else _rows_read(down, kind, height)
    wide = _across(rgb[first:last], across, kind)
    if last - first < height:
        # Rows keep their positions: with another origin, Pillow's weights round differently, and
        # one picture in two thousand came out different.
        part, wide = wide, Image.new("RGB", (across.count, height))
        wide.paste(part, (0, first))
    return np.asarray(_pass(wide, down, kind, 0))


def _is_unchanged(side: Side, length: int) -> bool:
    return (side.start, side.stop, side.length) == (0, length, length)


def _rows_read(down: Side, kind: Filter, height: int) -> tuple[int, int]:
    """Find the rows that the vertical pass reads; a crop need not resize the others."""
    reach = SUPPORT[kind] * max(1.0, (down.stop - down.start) / down.length)
    return max(0, int(down.start - reach)), min(height, int(down.stop + reach) + 2)


def _across(rgb: UInt8Array, side: Side, kind: Filter) -> Image.Image:
    """Resize the width in strips, because Pillow copies its input."""
    height, rows = len(rgb), max(1, _STRIP // rgb.shape[1])
    if rows >= height:
        return _pass(Image.fromarray(rgb), side, kind, 1)
    sized = Image.new("RGB", (side.count, height))
    for top in range(0, height, rows):
        sized.paste(_pass(Image.fromarray(rgb[top : top + rows]), side, kind, 1), (0, top))
    return sized


def _pass(image: Image.Image, side: Side, kind: Filter, axis: int) -> Image.Image:
    """Resize the height (axis 0) or the width (axis 1)."""
    if side.length > _LONGEST * side.count:
        part = pillow_pass(np.asarray(image).swapaxes(0, axis), side, kind)
        return Image.fromarray(part.swapaxes(0, axis))
    width, height = image.size
    if not _is_unchanged(side, (height, width)[axis]):
        size = (side.length, height) if axis else (width, side.length)
        box = (side.start, 0, side.stop, height) if axis else (0, side.start, width, side.stop)
        image = image.resize(size, _PILLOW[kind], box)
    if side.count == side.length:
        return image
    end = side.skip + side.count
    return image.crop((side.skip, 0, end, height) if axis else (0, side.skip, width, end))


def _nearest(side: Side) -> npt.NDArray[np.intp]:
    # Accumulated like in Pillow, because a product would round differently.
    step = float(np.float32(side.stop) - np.float32(side.start)) / side.length
    steps = np.full(side.skip + side.count, step)
    steps[0] = float(np.float32(side.start)) + step * 0.5
    return np.add.accumulate(steps)[side.skip :].astype(np.intp)


def pillow_pass(pixels: UInt8Array, side: Side, kind: Filter) -> UInt8Array:
    """Resize the first axis like Pillow, computing only the kept pixels.

    Args:
        pixels: uint8 ``[length, ...]``.
        side: How the axis is resized.
        kind: The filter.

    Returns:
        uint8 ``[side.count, ...]``.
    """
    start, stop = np.float32(side.start), np.float32(side.stop)
    scale = float(stop - start) / side.length
    wide = max(scale, 1.0)
    reach = SUPPORT[kind] * wide
    center = float(start) + (np.arange(side.skip, side.skip + side.count) + 0.5) * scale
    first = np.maximum((center - reach + 0.5).astype(np.intp), 0)
    last = np.minimum((center + reach + 0.5).astype(np.intp), len(pixels))
    index = first[:, None] + np.arange(math.ceil(reach) * 2 + 1)
    weights = filtered((index - center[:, None] + 0.5) / wide, kind)
    weights = np.where(index < last[:, None], weights, 0.0)
    shares = weights / weights.sum(axis=1, keepdims=True) * 2.0**PRECISION_BITS
    whole = (np.sign(shares) * np.floor(np.abs(shares) + 0.5)).astype(np.int64)
    total = np.full((side.count, *pixels.shape[1:]), 1 << (PRECISION_BITS - 1), np.int64)
    for tap in range(index.shape[1]):
        part = pixels[np.minimum(index[:, tap], len(pixels) - 1)].astype(np.int64)
        total += part * whole[:, tap].reshape(-1, *[1] * (pixels.ndim - 1))
    levels: UInt8Array = np.clip(total >> PRECISION_BITS, 0, 255).astype(np.uint8)
    return levels


def filtered(distance: npt.NDArray[np.float64], kind: Filter) -> npt.NDArray[np.float64]:
    """Return a filter's weights by distance in pixels; bicubic has a = -0.5, Lanczos 3 lobes."""
    x = np.abs(distance)
    if kind == "bilinear":
        return np.asarray(np.maximum(1 - x, 0.0), np.float64)
    if kind == "bicubic":
        near = (1.5 * x - 2.5) * x * x + 1
        far = (((x - 5) * x + 8) * x - 4) * -0.5
        cubic: npt.NDArray[np.float64] = np.where(x < 1, near, np.where(x < 2, far, 0.0))
        return cubic
    lobes: npt.NDArray[np.float64] = np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    return lobes


def _with_tensorflow(rgb: UInt8Array, down: Side, across: Side, kind: Filter) -> UInt8Array:
    rows, columns = (tensorflow_taps(side, kind) for side in (down, across))
    if kind == "nearest":
        return np.ascontiguousarray(rgb[rows[0][:, 0]][:, columns[0][:, 0]])
    values: npt.NDArray[np.floating[Any]] = rgb.astype(
        np.float64 if kind == "lanczos" else np.float32
    )
    if kind == "bilinear":  # horizontal first, as in TensorFlow
        values = _taken(_taken(values, columns, 1, kind), rows, 0, kind)
    else:
        values = _taken(_taken(values, rows, 0, kind), columns, 1, kind)
    rounded = np.floor(values + 0.5) if kind == "lanczos" else np.rint(values)
    levels: UInt8Array = np.clip(rounded, 0, 255).astype(np.uint8)
    return levels


def _taken(
    values: npt.NDArray[np.floating[Any]], taps: Taps, axis: int, kind: Filter
) -> npt.NDArray[np.floating[Any]]:
    index, weights = taps
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    parts = [values.take(index[:, tap], axis) for tap in range(index.shape[1])]
    shares = [weights[:, tap].reshape(shape) for tap in range(index.shape[1])]
    if kind == "bilinear":
        return parts[0] + (parts[1] - parts[0]) * shares[1]
    total = parts[0] * shares[0]
    for part, share in zip(parts[1:], shares[1:], strict=True):
        total = total + part * share
    return total


def tensorflow_taps(side: Side, kind: Filter) -> Taps:
    """Return TensorFlow's weights for one side (``half_pixel_centers``, no antialias)."""
    length = side.last - side.first
    real: type[np.floating[Any]] = np.float64 if kind == "lanczos" else np.float32
    one, half = real(1), real(0.5)
    scale = real(length) / real(side.length)
    position = np.arange(side.skip, side.skip + side.count).astype(real) + half
    if kind == "nearest":
        index = np.minimum(np.floor(position * scale).astype(np.intp), length - 1)[:, None]
        return index, np.ones(index.shape, np.float32)
    place = position * scale - half
    below = np.floor(place)
    around = np.arange(*{"bilinear": (0, 2), "bicubic": (-1, 3), "lanczos": (-3, 5)}[kind])
    index = below.astype(np.intp)[:, None] + around
    if kind == "bilinear":
        part = place - below
        shares = np.stack([one - part, part], axis=1)
    else:
        shares = _shares(index, place, kind, length)
    return np.clip(index, 0, length - 1), shares


def _shares(
    index: npt.NDArray[np.intp], place: npt.NDArray[np.floating[Any]], kind: Filter, length: int
) -> npt.NDArray[np.floating[Any]]:
    """Compute weights of bicubic and Lanczos, which leave out pixels beyond the edge."""
    if kind == "lanczos":
        weights = filtered(index - place[:, None], "lanczos")
    else:
        part = place - np.floor(place)
        weights = cubic_table()[np.rint(part * np.float32(TABLE)).astype(np.intp)]
    inside = (index >= 0) & (index < length)
    shares = _normalized(np.where(inside, weights, weights.dtype.type(0)))
    if kind == "lanczos":
        shares = np.floor(shares * 2.0**LANCZOS_BITS + 0.5) / 2.0**LANCZOS_BITS
    return shares


def _normalized(weights: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    total = np.zeros(len(weights), weights.dtype)
    for tap in weights.T:  # in the order of the exported graph
        total = total + tap
    shares: npt.NDArray[np.floating[Any]] = weights / total[:, None]
    return shares


def cubic_table() -> npt.NDArray[np.float32]:
    """Return TensorFlow's cubic weights of the four pixels around a point.

    Returns:
        float32 ``[1025, 4]``, by the distance of the point from the second pixel.
    """
    part = (np.arange(TABLE + 1) / TABLE).astype(np.float64)
    distance = np.stack([part + 1, part, 1 - part, 2 - part], axis=1)
    return filtered(distance, "bicubic").astype(np.float32)
