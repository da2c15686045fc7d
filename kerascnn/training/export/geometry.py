"""Resize geometry as graph nodes: which part of a picture becomes which part of the input.

Knows: the formulas of :mod:`kerascnn.images.geometry` for other libraries' rules, and of
:mod:`kerascnn.images.resizing` for our own. Does not know: filters. All values are of shape [1]:
int64, or float64 where a formula has fractions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerascnn.resizing import Resizing, Shape
from kerascnn.training.export.graph import FLOAT, INT64, Graph


@dataclass(frozen=True)
class GraphSide:
    """One side of a picture; see :class:`kerascnn.images.geometry.Side`.

    ``wanted`` is the input's length in pixels; the others are tensors, int64 but for ``start`` and
    ``stop``, which are float32.
    """

    wanted: int
    first: str
    last: str
    start: str
    stop: str
    length: str
    skip: str
    offset: str


class Geometry:
    """The formulas of one resize rule."""

    def __init__(self, g: Graph, sizes: tuple[str, str], shape: Shape, sizing: Resizing) -> None:
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

    def _side(self, i: int, **given: str) -> GraphSide:
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
            seen = self.g.op("Sub", values["last"], values["first"])
            values["stop"] = self.g.op("Cast", seen, to=FLOAT)
        return GraphSide(self.shape[i], **values)

    def _squashed(self, i: int) -> GraphSide:
        length = int(self.shape[i] / self.sizing.crop_share)
        skip = self.g.whole((length - self.shape[i]) // 2)
        return self._side(i, length=self.g.whole(length), skip=skip)

    def _resize_then_crop(self) -> tuple[GraphSide, GraphSide]:
        rows, columns = (int(wanted / self.sizing.crop_share) for wanted in self.shape)
        if self.shape[0] == self.shape[1]:
            short = self.g.op("Min", *self.sizes)
            lengths = [
                self.g.op("Div", self.g.op("Mul", self.g.whole(rows), side), short)
                for side in self.sizes
            ]
        else:
            height, width = map(self.g.double, self.sizes)
            ratio = self.g.op(
                "Min",
                self.g.op("Div", height, self._number(rows)),
                self.g.op("Div", width, self._number(columns)),
            )
            lengths = [self._round(self.g.op("Div", side, ratio)) for side in (height, width)]
        wanted = map(self.g.whole, self.shape)
        surplus = [self.g.op("Sub", *pair) for pair in zip(lengths, wanted, strict=True)]
        if self.sizing.library == "transformers":
            skips = [self.g.op("Div", one, self.g.whole(2)) for one in surplus]
        else:
            skips = [self._half(one) for one in surplus]
        return self._each(lambda i: self._side(i, length=lengths[i], skip=skips[i]))

    def _fitted(self) -> tuple[GraphSide, GraphSide]:
        g, bleed = self.g, self._number((1 - self.sizing.crop_share) / 2)
        sides = [g.double(side) for side in self.sizes]
        edges = [g.op("Mul", bleed, side) for side in sides]
        live = [
            g.op("Sub", side, g.op("Mul", edge, self._number(2)))
            for side, edge in zip(sides, edges, strict=True)
        ]
        ratio, wanted = g.op("Div", live[1], live[0]), self._number(self.shape[1] / self.shape[0])
        wider, taller = g.op("Greater", ratio, wanted), g.op("Less", ratio, wanted)
        used = [
            g.op("Where", taller, g.op("Div", live[1], wanted), live[0]),
            g.op("Where", wider, g.op("Mul", wanted, live[0]), live[1]),
        ]

        def side(i: int) -> GraphSide:
            half = g.op("Mul", g.op("Sub", live[i], used[i]), self._number(0.5))
            start = g.op("Add", edges[i], half)
            stop = g.op("Add", start, used[i])
            return self._side(
                i, start=g.op("Cast", start, to=FLOAT), stop=g.op("Cast", stop, to=FLOAT)
            )

        return self._each(side)

    def _crop_then_resize(self) -> tuple[GraphSide, GraphSide]:
        g, box = self.g, self.sizing.library == "keras" and self.sizing.antialias
        cuts = self._fastai() if self.sizing.library == "fastai" else self._keras()

        def side(i: int) -> GraphSide:
            cut = g.op("Max", cuts[i], g.whole(1))
            first = g.op("Div", g.op("Sub", self.sizes[i], cut), g.whole(2))
            last = g.op("Add", first, cut)
            if not box:
                return self._side(i, first=first, last=last)
            return self._side(
                i, start=g.op("Cast", first, to=FLOAT), stop=g.op("Cast", last, to=FLOAT)
            )

        return self._each(side)

    def _fastai(self) -> list[str]:
        ratios = [
            self.g.op("Div", self.g.double(side), self._number(wanted))
            for side, wanted in zip(self.sizes, self.shape, strict=True)
        ]
        times = self.g.op("Min", *ratios)
        products = [self.g.op("Mul", times, self._number(wanted)) for wanted in self.shape]
        return [self.g.op("Cast", product, to=INT64) for product in products]

    def _keras(self) -> list[str]:
        height, width = self.sizes
        return [
            self.g.op("Min", height, self._share(width, self.shape[0], self.shape[1])),
            self.g.op("Min", width, self._share(height, self.shape[1], self.shape[0])),
        ]

    def _share(self, side: str, times: int, by: int) -> str:
        return self.g.op("Div", self.g.op("Mul", side, self.g.whole(times)), self.g.whole(by))

    def _padded(self) -> tuple[GraphSide, GraphSide]:
        g, (rows, columns) = self.g, self.shape
        height, width = map(g.double, self.sizes)
        ratio, wanted = g.op("Div", width, height), self._number(columns / rows)
        low = self._round(g.op("Mul", g.op("Div", height, width), self._number(columns)))
        narrow = self._round(g.op("Mul", g.op("Div", width, height), self._number(rows)))
        one = g.whole(1)
        lengths = [
            g.op("Where", g.op("Greater", ratio, wanted), g.op("Max", one, low), g.whole(rows)),
            g.op("Where", g.op("Less", ratio, wanted), g.op("Max", one, narrow), g.whole(columns)),
        ]
        if not self.sizing.enlarge:
            lengths = self._not_enlarged(lengths)
        return self._each(
            lambda i: self._side(
                i,
                length=lengths[i],
                offset=self._half(g.op("Sub", g.whole(self.shape[i]), lengths[i])),
            )
        )

    def _not_enlarged(self, lengths: list[str]) -> list[str]:
        """Keep the lengths of a picture that already fits."""
        g = self.g
        inside = [
            g.op("LessOrEqual", side, g.whole(most))
            for side, most in zip(self.sizes, self.shape, strict=True)
        ]
        fits = g.op("And", *inside)
        pairs = zip(self.sizes, lengths, strict=True)
        return [g.op("Where", fits, side, length) for side, length in pairs]

    def _half(self, value: str) -> str:
        return self._round(self.g.op("Div", self.g.double(value), self._number(2)))

    def _round(self, value: str) -> str:
        """Round half to even. onnxruntime's Round treats float64 as float32."""
        g, half = self.g, self._number(0.5)
        up = g.op("Cast", g.op("Floor", g.op("Add", value, half)), to=INT64)
        tie = g.op("Equal", g.op("Sub", value, g.op("Floor", value)), half)
        odd = g.op("Mod", up, g.whole(2))
        return g.op("Sub", up, g.op("Mul", odd, g.op("Cast", tie, to=INT64)))

    def _number(self, number: float) -> str:
        return self.g.constant([number], np.float64)


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
            most = self.g.op("Min", longer, self.g.whole(size))
            return self._each(lambda i: self._padded_from(i, self._scaled(i, most, longer)))
        return self._each(self._squashed)

    def _scaled(self, i: int, numerator: str, denominator: str) -> str:
        """Return a length * numerator / denominator, rounded half up."""
        g, two = self.g, self.g.whole(2)
        product = g.op("Mul", two, g.op("Mul", self.sizes[i], numerator))
        return g.op("Div", g.op("Add", product, denominator), g.op("Mul", two, denominator))

    def _cropped_to(self, i: int, length: str) -> GraphSide:
        g, size = self.g, self.g.whole(self.shape[i])
        before = g.op("Div", g.op("Sub", length, size), g.whole(2))
        # images.py divides as float64, and Pillow keeps the box as float32.
        start, stop = (
            g.op("Cast", g.op("Div", g.double(place), g.double(length)), to=FLOAT)
            for place in (
                g.op("Mul", before, self.sizes[i]),
                g.op("Mul", g.op("Add", before, size), self.sizes[i]),
            )
        )
        return self._side(i, start=start, stop=stop)

    def _padded_from(self, i: int, scaled: str) -> GraphSide:
        length = self.g.op("Max", self.g.whole(1), scaled)
        free = self.g.op("Sub", self.g.whole(self.shape[i]), length)
        return self._side(i, length=length, offset=self.g.op("Div", free, self.g.whole(2)))
