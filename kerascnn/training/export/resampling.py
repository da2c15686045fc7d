"""Resizing as a graph: the arithmetic of :mod:`kerascnn.images.resampling`, bit for bit.

Knows: Pillow's filters as matrix products, TensorFlow's as sums of gathered pixels. Does not know:
which part of a picture is used (:mod:`kerascnn.training.export.geometry`).

Why not the operator ``Resize``: with antialias on uint8 it differs from Pillow in up to 20 % of
the values by up to 12 (onnxruntime 1.32), OpenVINO ignores its antialias and TensorRT has none.
Pillow computes, for each axis (Resample.c, ``precompute_coeffs`` and ``normalize_coeffs_8bpc``):

    scale    = (stop - start) / length             # start, stop are float32
    center_i = start + (i + 0.5) * scale
    w_ij     = filter((j - center_i + 0.5) / max(scale, 1))
    k_ij     = round(w_ij / sum_j(w_ij) * 2**22)   # halves away from zero
    out_i    = floor(sum_j(k_ij * in_j) / 2**22 + 0.5)

All integers here stay below 2**53, so float64 computes them exactly, in any order of summation and
on any provider. The price is a dense product: about 13 ms for 500 x 375 to 224 on a core where
Pillow takes 1.5.
"""

from __future__ import annotations

import math

import numpy as np
import onnx

from kerascnn.card import ModelCard
from kerascnn.images.resampling import LANCZOS_BITS, PRECISION_BITS, TABLE, cubic_table
from kerascnn.resizing import Resizing
from kerascnn.training.export.geometry import Geometry, GraphSide, OwnGeometry
from kerascnn.training.export.graph import (
    DOUBLE,
    FLOAT,
    INT64,
    TO_PIXELS,
    TO_PLANES,
    UINT8,
    Graph,
    tensor,
)

_NEIGHBORS = {"nearest": (0, 1), "bilinear": (0, 2), "bicubic": (-1, 3), "lanczos": (-3, 5)}
"""First and last neighbor of a point in TensorFlow's filters, the last one exclusive."""


def resampling(height: str, width: str, card: ModelCard) -> onnx.GraphProto:
    """Build the branch that resizes a picture.

    Args:
        height: Name of the picture's height, int64 [1].
        card: Card with the resize rule: kerascnn's own, or that of another library.

    Returns:
        A graph without inputs, from ``image`` of the enclosing graph to ``sizing/sized``.
    """
    return _Resampling((height, width), card).graph()


class _Resampling:
    def __init__(self, sizes: tuple[str, str], card: ModelCard) -> None:
        self.g, self.shape, self.is_own = Graph("sizing/"), card.shape, card.sizing is None
        self.sizing = (card.sizing or Resizing(card.resize)).for_shape(card.shape)
        geometry = OwnGeometry if self.is_own else Geometry
        self.down, self.across = geometry(self.g, sizes, card.shape, self.sizing).sides()

    def graph(self) -> onnx.GraphProto:
        g = self.g
        seen = "image"
        if self.sizing.resize == "crop" and self.sizing.library in ("fastai", "keras"):
            starts = g.op("Concat", self.down.first, self.across.first, axis=0)
            ends = g.op("Concat", self.down.last, self.across.last, axis=0)
            seen = g.op("Slice", seen, starts, ends, g.whole(1, 2))
        if self.sizing.filter == "nearest" or not self.sizing.antialias:
            sized = self._gathered(seen)
        else:
            sized = self._by_pillow(seen)
        self._padded(sized)
        height, width = self.shape
        return g.finish("sizing", [], [tensor("sizing/sized", UINT8, ["batch", height, width, 3])])

    def _padded(self, sized: str) -> None:
        g = self.g
        if self.sizing.resize != "pad":
            g.op("Identity", sized, output="sizing/sized")
            return
        rows = g.op("Reshape", self._inside(self.down), g.whole(-1, 1, 1))
        columns = g.op("Reshape", self._inside(self.across), g.whole(1, -1, 1))
        inside = g.op("And", rows, columns)
        color = g.constant(self.sizing.pad_color, np.uint8)
        g.op("Where", inside, sized, color, output="sizing/sized")

    def _index(self, side: GraphSide) -> str:
        """Return the pixel of the resized side for each pixel of the input, int64 [wanted]."""
        g = self.g
        shift = g.op("Sub", side.skip, side.offset)
        return g.op("Add", g.constant(np.arange(side.wanted), np.int64), shift)

    def _inside(self, side: GraphSide) -> str:
        return self.g.within(self._index(side), side.length)

    # --- Pillow ---

    def _by_pillow(self, seen: str) -> str:
        """Resize one side after the other: horizontally first in our rules, else as Pillow 13."""
        g = self.g
        down, across = self._weights(self.down), self._weights(self.across, pixels=0)
        planes = g.double(g.op("Transpose", seen, perm=TO_PLANES))
        if self.is_own:
            rows = self._levels(g, g.op("MatMul", planes, across))
            sized = self._levels(g, g.op("MatMul", down, rows))
        else:
            sized = self._in_order_of_pillow(planes, down, across)
        return g.op("Cast", g.op("Transpose", sized, perm=TO_PIXELS), to=UINT8)

    def _in_order_of_pillow(self, planes: str, down: str, across: str) -> str:
        g = self.g
        shorter = g.op("Sub", self._length(self.down), self.down.length)
        narrower = g.op("Sub", self._length(self.across), self.across.length)
        twice = g.op("Mul", narrower, g.whole(2))
        first = g.op("And", g.op("Greater", shorter, g.whole(0)), g.op("Greater", shorter, twice))
        return g.op(
            "If",
            g.op("Squeeze", first),
            then_branch=self._passes(planes, down, across, vertical_first=True),
            else_branch=self._passes(planes, down, across, vertical_first=False),
        )

    def _passes(self, planes: str, down: str, across: str, vertical_first: bool) -> onnx.GraphProto:
        """Multiply float64 [batch, 3, height, width] by the weights of both sides."""
        name = "vertical_first" if vertical_first else "horizontal_first"
        g = Graph(f"sizing/{name}/")

        def vertical(values: str) -> str:
            return self._levels(g, g.op("MatMul", down, values))

        def horizontal(values: str) -> str:
            return self._levels(g, g.op("MatMul", values, across))

        order = (vertical, horizontal) if vertical_first else (horizontal, vertical)
        result = f"sizing/{name}/result"
        g.op("Identity", order[1](order[0](planes)), output=result)
        return g.finish(name, [], [tensor(result, DOUBLE, ["batch", 3, None, None])])

    def _levels(self, g: Graph, x: str) -> str:
        """Round sums of pixels; only filters with negative weights exceed their range."""
        if self.sizing.filter == "bilinear":
            return g.half_up(x)
        return g.op("Clip", g.half_up(x), g.number(0.0), g.number(255.0))

    def _length(self, side: GraphSide) -> str:
        return self.g.op("Sub", side.last, side.first)

    def _step(self, side: GraphSide) -> str:
        g = self.g
        extent = g.double(g.op("Sub", side.stop, side.start))
        return g.op("Div", extent, g.double(side.length))

    def _weights(self, side: GraphSide, pixels: int = 1) -> str:
        """Return the weights of the picture's pixels, on axis 0 or 1, in the input's, float64."""
        g = self.g
        one, half = g.number(1.0), g.number(0.5)
        step = self._step(side)
        index = g.op("Unsqueeze", self._index(side), g.whole(pixels))
        middle = g.op("Mul", g.op("Add", g.double(index), half), step)
        center = g.op("Add", g.double(side.start), middle)
        numbers = g.positions(self._length(side))
        position = g.op("Unsqueeze", g.double(numbers), g.whole(1 - pixels))
        distance = g.op("Add", g.op("Sub", position, center), half)
        narrow = g.op("Div", one, g.op("Max", step, one))
        raw = self._filtered(g.op("Abs", g.op("Mul", distance, narrow)))
        total = g.op("ReduceSum", raw, g.whole(pixels), keepdims=1)
        unit = g.number(2.0**PRECISION_BITS)
        fixed = g.op("Mul", g.op("Div", raw, total), unit)
        whole = g.half_up(fixed)
        if self.sizing.filter != "bilinear":  # which has no weights below 0
            whole = g.op("Mul", g.op("Sign", fixed), g.half_up(g.op("Abs", fixed)))
        # Padding has no weights at all; its 0 / 0 is dropped here.
        inside = g.op("Unsqueeze", self._inside(side), g.whole(pixels))
        return g.op("Where", inside, g.op("Div", whole, unit), g.number(0.0))

    def _filtered(self, x: str) -> str:
        """Return the filter's weight at float64 distances, which are at least 0."""
        if self.sizing.filter == "bilinear":
            return self.g.op("Max", self.g.op("Sub", self.g.number(1.0), x), self.g.number(0.0))
        if self.sizing.filter == "bicubic":
            return self._cubic(x)
        third = self.g.op("Div", x, self.g.number(3.0))
        lobes = self.g.op("Mul", self._sinc(x), self._sinc(third))
        near = self.g.op("Less", x, self.g.number(3.0))
        return self.g.op("Where", near, lobes, self.g.number(0.0))

    def _cubic(self, x: str) -> str:
        g, n = self.g, self.g.number
        near = g.op("Mul", g.op("Sub", g.op("Mul", n(1.5), x), n(2.5)), x)
        near = g.op("Add", g.op("Mul", near, x), n(1.0))
        far = g.op("Add", g.op("Mul", g.op("Sub", x, n(5.0)), x), n(8.0))
        far = g.op("Mul", g.op("Sub", g.op("Mul", far, x), n(4.0)), n(-0.5))
        outer = g.op("Where", g.op("Less", x, n(2.0)), far, n(0.0))
        return g.op("Where", g.op("Less", x, n(1.0)), near, outer)

    def _sinc(self, x: str) -> str:
        g = self.g
        turned = g.op("Mul", x, g.number(math.pi))
        middle = g.op("Equal", x, g.number(0.0))
        safe = g.op("Where", middle, g.number(1.0), turned)
        return g.op("Where", middle, g.number(1.0), g.op("Div", g.op("Sin", safe), safe))

    def _gathered(self, seen: str) -> str:
        kind = self.sizing.filter
        if kind == "nearest":
            for side, axis in ((self.down, 1), (self.across, 2)):
                pick = self._pillow_nearest if self.sizing.antialias else self._nearest
                seen = self.g.op("Gather", seen, self._bounded(pick(side), side), axis=axis)
            return seen
        values = self.g.op("Cast", seen, to=self._real[0])
        order = ((self.across, 2), (self.down, 1))
        for side, axis in order if kind == "bilinear" else order[::-1]:
            values = self._taken(values, side, axis)
        rounded = self.g.half_up(values) if kind == "lanczos" else self.g.op("Round", values)
        low, high = (self.g.constant(level, self._real[1]) for level in (0.0, 255.0))
        return self.g.op("Cast", self.g.op("Clip", rounded, low, high), to=UINT8)

    def _bounded(self, index: str, side: GraphSide) -> str:
        last = self.g.op("Sub", self._length(side), self.g.whole(1))
        return self.g.op("Max", self.g.op("Min", index, last), self.g.whole(0))

    def _pillow_nearest(self, side: GraphSide) -> str:
        """Accumulate the step pixel by pixel, as Pillow does: a product rounds differently."""
        g, step = self.g, self._step(side)
        half = g.op("Mul", step, g.number(0.5))
        first = g.op("Add", g.double(side.start), half)
        count = g.op("Sub", side.length, g.whole(1))
        steps = g.op("Concat", first, g.op("Expand", step, count), axis=0)
        places = g.op("CumSum", steps, g.constant(0, np.int64))
        last = g.op("Sub", side.length, g.whole(1))
        index = g.op("Max", g.op("Min", self._index(side), last), g.whole(0))
        return g.op("Cast", g.op("Gather", places, index, axis=0), to=INT64)

    def _place(self, side: GraphSide) -> str:
        """Return the half-pixel centers [wanted], in pixels of the picture."""
        g, (kind, real) = self.g, self._real
        length = g.op("Cast", self._length(side), to=kind)
        scale = g.op("Div", length, g.op("Cast", side.length, to=kind))
        index = g.op("Cast", self._index(side), to=kind)
        return g.op("Mul", g.op("Add", index, g.constant(0.5, real)), scale)

    @property
    def _real(self) -> tuple[int, type[np.generic]]:
        """The type to compute in: float64 for sines, else TensorFlow's float32."""
        return (DOUBLE, np.float64) if self.sizing.filter == "lanczos" else (FLOAT, np.float32)

    def _nearest(self, side: GraphSide) -> str:
        return self.g.op("Cast", self.g.op("Floor", self._place(side)), to=INT64)

    def _taken(self, values: str, side: GraphSide, axis: int) -> str:
        g, kind = self.g, self.sizing.filter
        place = g.op("Sub", self._place(side), g.constant(0.5, self._real[1]))
        below = g.op("Floor", place)
        base = g.op("Cast", below, to=INT64)
        offsets = range(*_NEIGHBORS[kind])
        index = [g.op("Add", base, g.whole(offset)) for offset in offsets]
        bounded = [self._bounded(one, side) for one in index]
        parts = [g.op("Gather", values, one, axis=axis) for one in bounded]
        part = g.op("Sub", place, below)
        line = g.constant([-1, 1, 1] if axis == 1 else [-1, 1], np.int64)
        if kind == "bilinear":
            share = g.op("Reshape", part, line)
            rise = g.op("Sub", parts[1], parts[0])
            return g.op("Add", parts[0], g.op("Mul", rise, share))
        weights = self._shares(index, bounded, place, part)
        shares = [g.op("Reshape", weight, line) for weight in weights]
        return _total(g, [g.op("Mul", *pair) for pair in zip(parts, shares, strict=True)])

    def _shares(self, index: list[str], bounded: list[str], place: str, part: str) -> list[str]:
        """Return each neighbor's weight, [wanted]; those of one pixel sum to 1."""
        g = self.g
        if self.sizing.filter == "bicubic":
            steps = g.op("Round", g.op("Mul", part, g.constant(float(TABLE), np.float32)))
            row = g.op("Cast", steps, to=INT64)
            raw = [
                g.op("Gather", g.constant(column, np.float32), row) for column in cubic_table().T
            ]
        else:
            near = [g.op("Sub", g.double(one), place) for one in index]
            raw = [self._filtered(g.op("Abs", distance)) for distance in near]
        zero = g.constant(0.0, self._real[1])
        kept = [
            g.op("Where", g.op("Equal", one, inside), weight, zero)
            for one, inside, weight in zip(index, bounded, raw, strict=True)
        ]
        total = _total(g, kept)
        shares = [g.op("Div", weight, total) for weight in kept]
        if self.sizing.filter != "lanczos":
            return shares
        unit = g.number(2.0**LANCZOS_BITS)
        # Not Round: onnxruntime (1.32) rounds float64 as if it were float32.
        return [g.op("Div", g.half_up(g.op("Mul", one, unit)), unit) for one in shares]


def _total(g: Graph, values: list[str]) -> str:
    total = values[0]
    for value in values[1:]:
        total = g.op("Add", total, value)
    return total
