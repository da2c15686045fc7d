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
from functools import reduce
from operator import add, mul

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
    Value,
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
        height, width = (Value(self.g, name) for name in sizes)
        geometry = OwnGeometry if self.is_own else Geometry
        self.down, self.across = geometry(self.g, (height, width), card.shape, self.sizing).sides()

    def graph(self) -> onnx.GraphProto:
        g = self.g
        seen = Value(g, "image")
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

    def _padded(self, sized: Value) -> None:
        g = self.g
        if self.sizing.resize != "pad":
            g.op("Identity", sized, output="sizing/sized")
            return
        rows = g.op("Reshape", self._inside(self.down), g.whole(-1, 1, 1))
        columns = g.op("Reshape", self._inside(self.across), g.whole(1, -1, 1))
        color = g.constant(self.sizing.pad_color, np.uint8)
        g.op("Where", rows & columns, sized, color, output="sizing/sized")

    def _index(self, side: GraphSide) -> Value:
        """Return the pixel of the resized side for each pixel of the input, int64 [wanted]."""
        return self.g.constant(np.arange(side.wanted), np.int64) + (side.skip - side.offset)

    def _inside(self, side: GraphSide) -> Value:
        index = self._index(side)
        return (index >= 0) & (index < side.length)

    # --- Pillow ---

    def _by_pillow(self, seen: Value) -> Value:
        """Resize one side after the other: horizontally first in our rules, else as Pillow 13."""
        g = self.g
        down, across = self._weights(self.down), self._weights(self.across, pixels=0)
        planes = g.op("Transpose", seen, perm=TO_PLANES).double()
        if self.is_own:
            rows = self._levels(g.op("MatMul", planes, across))
            sized = self._levels(g.op("MatMul", down, rows))
        else:
            sized = self._in_order_of_pillow(planes, down, across)
        return g.op("Transpose", sized, perm=TO_PIXELS).cast(UINT8)

    def _in_order_of_pillow(self, planes: Value, down: Value, across: Value) -> Value:
        shorter = self._length(self.down) - self.down.length
        narrower = self._length(self.across) - self.across.length
        first = (shorter > 0) & (shorter > narrower * 2)
        return self.g.op(
            "If",
            self.g.op("Squeeze", first),
            then_branch=self._passes(planes, down, across, vertical_first=True),
            else_branch=self._passes(planes, down, across, vertical_first=False),
        )

    def _passes(
        self, planes: Value, down: Value, across: Value, vertical_first: bool
    ) -> onnx.GraphProto:
        """Multiply float64 [batch, 3, height, width] by the weights of both sides."""
        name = "vertical_first" if vertical_first else "horizontal_first"
        g = Graph(f"sizing/{name}/")

        def vertical(values: Value) -> Value:
            return self._levels(g.op("MatMul", down, values))

        def horizontal(values: Value) -> Value:
            return self._levels(g.op("MatMul", values, across))

        order = (vertical, horizontal) if vertical_first else (horizontal, vertical)
        result = f"sizing/{name}/result"
        g.op("Identity", order[1](order[0](planes)), output=result)
        return g.finish(name, [], [tensor(result, DOUBLE, ["batch", 3, None, None])])

    def _levels(self, sums: Value) -> Value:
        """Round sums of pixels; only filters with negative weights exceed their range."""
        levels = sums.half_up()
        bounded = self.sizing.filter == "bilinear"
        return levels if bounded else levels.graph.op("Clip", levels, 0.0, 255.0)

    def _length(self, side: GraphSide) -> Value:
        return side.last - side.first

    def _step(self, side: GraphSide) -> Value:
        return (side.stop - side.start).double() / side.length.double()

    def _weights(self, side: GraphSide, pixels: int = 1) -> Value:
        """Return the weights of the picture's pixels, on axis 0 or 1, in the input's, float64."""
        g, step, unit = self.g, self._step(side), 2.0**PRECISION_BITS
        index = g.op("Unsqueeze", self._index(side), pixels)
        center = side.start.double() + (index.double() + 0.5) * step
        numbers = g.positions(self._length(side))
        position = g.op("Unsqueeze", numbers.double(), 1 - pixels)
        distance = (position - center + 0.5) * (1.0 / g.op("Max", step, 1.0))
        raw = self._filtered(g.op("Abs", distance))
        fixed = raw / g.op("ReduceSum", raw, pixels, keepdims=1) * unit
        whole = fixed.half_up()
        if self.sizing.filter != "bilinear":  # which has no weights below 0
            whole = g.op("Sign", fixed) * g.op("Abs", fixed).half_up()
        # Padding has no weights at all; its 0 / 0 is dropped here.
        inside = g.op("Unsqueeze", self._inside(side), pixels)
        return inside.where(whole / unit, 0.0)

    def _filtered(self, x: Value) -> Value:
        """Return the filter's weight at float64 distances, which are at least 0."""
        if self.sizing.filter == "bilinear":
            return self.g.op("Max", 1.0 - x, 0.0)
        if self.sizing.filter == "bicubic":
            near = (x * 1.5 - 2.5) * x * x + 1.0
            far = (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
            return (x < 1.0).where(near, (x < 2.0).where(far, 0.0))
        return (x < 3.0).where(self._sinc(x) * self._sinc(x / 3.0), 0.0)

    def _sinc(self, x: Value) -> Value:
        middle = x.equals(0.0)
        safe = middle.where(1.0, x * math.pi)
        return middle.where(1.0, self.g.op("Sin", safe) / safe)

    # --- TensorFlow, and nearest neighbors ---

    def _gathered(self, seen: Value) -> Value:
        kind = self.sizing.filter
        if kind == "nearest":
            for side, axis in ((self.down, 1), (self.across, 2)):
                pick = self._pillow_nearest if self.sizing.antialias else self._nearest
                seen = self.g.op("Gather", seen, self._bounded(pick(side), side), axis=axis)
            return seen
        values = seen.cast(self._real[0])
        order = ((self.across, 2), (self.down, 1))
        for side, axis in order if kind == "bilinear" else order[::-1]:
            values = self._taken(values, side, axis)
        rounded = values.half_up() if kind == "lanczos" else self.g.op("Round", values)
        return self.g.op("Clip", rounded, self._number(0.0), self._number(255.0)).cast(UINT8)

    def _bounded(self, index: Value, side: GraphSide) -> Value:
        return self.g.op("Max", self.g.op("Min", index, self._length(side) - 1), 0)

    def _pillow_nearest(self, side: GraphSide) -> Value:
        """Accumulate the step pixel by pixel, as Pillow does: a product rounds differently."""
        g, step, last = self.g, self._step(side), side.length - 1
        first = side.start.double() + step * 0.5
        steps = g.op("Concat", first, g.op("Expand", step, last), axis=0)
        places = g.op("CumSum", steps, g.constant(0, np.int64))
        index = g.op("Max", g.op("Min", self._index(side), last), 0)
        return g.op("Gather", places, index, axis=0).cast(INT64)

    def _place(self, side: GraphSide) -> Value:
        """Return the half-pixel centers [wanted], in pixels of the picture."""
        kind = self._real[0]
        scale = self._length(side).cast(kind) / side.length.cast(kind)
        return (self._index(side).cast(kind) + self._number(0.5)) * scale

    @property
    def _real(self) -> tuple[int, type[np.generic]]:
        """The type to compute in: float64 for sines, else TensorFlow's float32."""
        return (DOUBLE, np.float64) if self.sizing.filter == "lanczos" else (FLOAT, np.float32)

    def _number(self, number: float) -> Value:
        """Add a constant of this type."""
        return self.g.constant(number, self._real[1])

    def _nearest(self, side: GraphSide) -> Value:
        return self._place(side).floor().cast(INT64)

    def _taken(self, values: Value, side: GraphSide, axis: int) -> Value:
        g, kind = self.g, self.sizing.filter
        place = self._place(side) - self._number(0.5)
        below = place.floor()
        base = below.cast(INT64)
        index = [base + offset for offset in range(*_NEIGHBORS[kind])]
        bounded = [self._bounded(one, side) for one in index]
        parts = [g.op("Gather", values, one, axis=axis) for one in bounded]
        part = place - below
        line = g.constant([-1, 1, 1] if axis == 1 else [-1, 1], np.int64)
        if kind == "bilinear":
            return parts[0] + (parts[1] - parts[0]) * g.op("Reshape", part, line)
        weights = self._shares(index, bounded, place, part)
        shares = [g.op("Reshape", weight, line) for weight in weights]
        taken: Value = reduce(add, map(mul, parts, shares))
        return taken

    def _shares(
        self, index: list[Value], bounded: list[Value], place: Value, part: Value
    ) -> list[Value]:
        """Return each neighbor's weight, [wanted]; those of one pixel sum to 1."""
        g = self.g
        if self.sizing.filter == "bicubic":
            row = g.op("Round", part * self._number(float(TABLE))).cast(INT64)
            columns = cubic_table().T
            raw = [g.op("Gather", g.constant(column, np.float32), row) for column in columns]
        else:
            raw = [self._filtered(g.op("Abs", one.double() - place)) for one in index]
        kept = [
            one.equals(inside).where(weight, self._number(0.0))
            for one, inside, weight in zip(index, bounded, raw, strict=True)
        ]
        total = reduce(add, kept)
        shares = [weight / total for weight in kept]
        if self.sizing.filter != "lanczos":
            return shares
        unit = 2.0**LANCZOS_BITS
        # Not Round: onnxruntime (1.32) rounds float64 as if it were float32.
        return [(one * unit).half_up() / unit for one in shares]
