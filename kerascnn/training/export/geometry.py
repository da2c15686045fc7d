"""Resize geometry as graph nodes: which part of a picture becomes which part of the input.

Knows: the formulas of :mod:`kerascnn.images.geometry` for other libraries' rules, and of
:mod:`kerascnn.images.resizing` for our own. Does not know: filters. All values are of shape [1]:
int64, or float64 where a formula has fractions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerascnn.resizing import Resizing, Shape
from kerascnn.training.export.graph import FLOAT, INT64, Graph, Value


@dataclass(frozen=True)
class GraphSide:
    """One side of a picture; see :class:`kerascnn.images.geometry.Side`.

    ``wanted`` is the input's length in pixels; the others are tensors, int64 but for ``start`` and
    ``stop``, which are float32.
    """

    wanted: int
    first: Value
    last: Value
    start: Value
    stop: Value
    length: Value
    skip: Value
    offset: Value


class Geometry:
    """The formulas of one resize rule."""

    def __init__(
        self, g: Graph, sizes: tuple[Value, Value], shape: Shape, sizing: Resizing
    ) -> None:
        self.g, self.sizes, self.shape, self.sizing = g, sizes, shape, sizing.for_shape(shape)

    def sides(self) -> tuple[GraphSide, GraphSide]:
        """Add the nodes of both sides."""
        if self.sizing.resize == "squash":
            return self._each(self._squashed)
        if self.sizing.resize == "pad":
            return self._padded()
        if self.sizing.library in ("torchvision", "transformers"):
            return self._resize_then_crop()
        if self.sizing.library == "pillow":
            return self._fitted()
        return self._crop_then_resize()

    def _each(self, make) -> tuple[GraphSide, GraphSide]:  # type: ignore[no-untyped-def]
        return make(0), make(1)

    def _side(self, i: int, **given: Value) -> GraphSide:
        zero = self.g.whole(0)
        values = {
            "first": zero,
            "last": self.sizes[i],
            "start": self.g.constant([0.0], np.float32),
            "length": self.g.whole(self.shape[i]),
            "skip": zero,
            "offset": zero,
        } | given
        if "stop" not in values:
            values["stop"] = (values["last"] - values["first"]).cast(FLOAT)
        return GraphSide(self.shape[i], **values)

    def _squashed(self, i: int) -> GraphSide:
        length = int(self.shape[i] / self.sizing.crop_share)
        skip = self.g.whole((length - self.shape[i]) // 2)
        return self._side(i, length=self.g.whole(length), skip=skip)

    def _resize_then_crop(self) -> tuple[GraphSide, GraphSide]:
        rows, columns = (int(wanted / self.sizing.crop_share) for wanted in self.shape)
        if self.shape[0] == self.shape[1]:
            short = self.g.op("Min", *self.sizes)
            lengths = [side * rows // short for side in self.sizes]
        else:
            height, width = (side.double() for side in self.sizes)
            ratio = self.g.op("Min", height / float(rows), width / float(columns))
            lengths = [self._round(side / ratio) for side in (height, width)]
        surplus = [length - wanted for length, wanted in zip(lengths, self.shape, strict=True)]
        if self.sizing.library == "transformers":
            skips = [one // 2 for one in surplus]
        else:
            skips = [self._half(one) for one in surplus]
        return self._each(lambda i: self._side(i, length=lengths[i], skip=skips[i]))

    def _fitted(self) -> tuple[GraphSide, GraphSide]:
        bleed = (1 - self.sizing.crop_share) / 2
        sides = [side.double() for side in self.sizes]
        edges = [side * bleed for side in sides]
        live = [side - edge * 2.0 for side, edge in zip(sides, edges, strict=True)]
        ratio, wanted = live[1] / live[0], self.shape[1] / self.shape[0]
        used = [
            (ratio < wanted).where(live[1] / wanted, live[0]),
            (ratio > wanted).where(live[0] * wanted, live[1]),
        ]

        def side(i: int) -> GraphSide:
            start = edges[i] + (live[i] - used[i]) * 0.5
            return self._side(i, start=start.cast(FLOAT), stop=(start + used[i]).cast(FLOAT))

        return self._each(side)

    def _crop_then_resize(self) -> tuple[GraphSide, GraphSide]:
        box = self.sizing.library == "keras" and self.sizing.antialias
        cuts = self._fastai() if self.sizing.library == "fastai" else self._keras()

        def side(i: int) -> GraphSide:
            cut = self.g.op("Max", cuts[i], 1)
            first = (self.sizes[i] - cut) // 2
            last = first + cut
            if not box:
                return self._side(i, first=first, last=last)
            return self._side(i, start=first.cast(FLOAT), stop=last.cast(FLOAT))

        return self._each(side)

    def _fastai(self) -> list[Value]:
        sides = zip(self.sizes, self.shape, strict=True)
        times = self.g.op("Min", *(side.double() / float(wanted) for side, wanted in sides))
        return [(times * float(wanted)).cast(INT64) for wanted in self.shape]

    def _keras(self) -> list[Value]:
        (height, width), (rows, columns) = self.sizes, self.shape
        return [
            self.g.op("Min", height, width * rows // columns),
            self.g.op("Min", width, height * columns // rows),
        ]

    def _padded(self) -> tuple[GraphSide, GraphSide]:
        g, (rows, columns) = self.g, self.shape
        height, width = (side.double() for side in self.sizes)
        ratio, wanted = width / height, columns / rows
        low = self._round(height / width * float(columns))
        narrow = self._round(width / height * float(rows))
        lengths = [
            (ratio > wanted).where(g.op("Max", low, 1), rows),
            (ratio < wanted).where(g.op("Max", narrow, 1), columns),
        ]
        if not self.sizing.enlarge:  # a picture that fits keeps its size
            fits = (self.sizes[0] <= rows) & (self.sizes[1] <= columns)
            pairs = zip(self.sizes, lengths, strict=True)
            lengths = [fits.where(side, length) for side, length in pairs]
        return self._each(
            lambda i: self._side(
                i, length=lengths[i], offset=self._half(self.shape[i] - lengths[i])
            )
        )

    def _half(self, value: Value) -> Value:
        return self._round(value.double() / 2.0)

    def _round(self, value: Value) -> Value:
        """Round half to even. onnxruntime's Round treats float64 as float32."""
        up = value.half_up().cast(INT64)
        tie = (value - value.floor()).equals(0.5)
        return up - self.g.op("Mod", up, 2) * tie.cast(INT64)


class OwnGeometry(Geometry):
    """The formulas of one of kerascnn's own rules, for square inputs, in integers."""

    def sides(self) -> tuple[GraphSide, GraphSide]:
        """Add the nodes of both sides."""
        size = self.shape[0]
        if self.sizing.resize == "crop":
            short = self.g.op("Min", *self.sizes)
            resized = self.g.whole((16 * size + 7) // 14)
            return self._each(lambda i: self._cropped_to(i, self._scaled(i, resized, short)))
        if self.sizing.resize == "pad":
            longer = self.g.op("Max", *self.sizes)
            most = self.g.op("Min", longer, size)
            return self._each(lambda i: self._padded_from(i, self._scaled(i, most, longer)))
        return self._each(self._squashed)

    def _scaled(self, i: int, numerator: Value, denominator: Value) -> Value:
        """Return a length * numerator / denominator, rounded half up."""
        return (self.sizes[i] * numerator * 2 + denominator) // (denominator * 2)

    def _cropped_to(self, i: int, length: Value) -> GraphSide:
        before = (length - self.shape[i]) // 2
        # images.py divides as float64, and Pillow keeps the box as float32.
        start, stop = (
            ((place * self.sizes[i]).double() / length.double()).cast(FLOAT)
            for place in (before, before + self.shape[i])
        )
        return self._side(i, start=start, stop=stop)

    def _padded_from(self, i: int, scaled: Value) -> GraphSide:
        length = self.g.op("Max", scaled, 1)
        return self._side(i, length=length, offset=(self.shape[i] - length) // 2)
