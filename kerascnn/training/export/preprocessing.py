"""Resizing and normalization as an ONNX graph: the same arithmetic as images.py, bit for bit.

Knows: Pillow's BILINEAR resampling as two matrix products, and the card's normalization. Does not
know: Keras, how other libraries resize (:mod:`kerascnn.training.export.resampling`).

Why not the operator ``Resize``: with antialias on uint8 it differs from Pillow in up to 20 % of
the values by up to 12 (onnxruntime 1.32), OpenVINO ignores its antialias and TensorRT has none.
Pillow computes, for each axis (Resample.c, ``precompute_coeffs`` and ``normalize_coeffs_8bpc``):

    scale    = (stop - start) / length             # start, stop are float32
    center_i = start + (i + 0.5) * scale
    w_ij     = triangle((j - center_i + 0.5) / max(scale, 1))
    k_ij     = floor(w_ij / sum_j(w_ij) * 2**22 + 0.5)
    out_i    = floor(sum_j(k_ij * in_j) / 2**22 + 0.5)

All integers here stay below 2**53, so float64 computes them exactly, in any order of summation and
on any provider. The price is a dense product: about 13 ms for 500 x 375 to 224 on a core where
Pillow takes 1.5. So :class:`kerascnn.Classifier` resizes with Pillow, and a picture that already
has the model's size skips all of this (``If``; onnxruntime removes it when height and width are
fixed).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import onnx

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.images.resampling import PRECISION_BITS
from kerascnn.training.export.graph import FLOAT, TO_PIXELS, TO_PLANES, UINT8, Graph, model, tensor
from kerascnn.training.export.resampling import resampling

FIXED_POINT = 2.0**PRECISION_BITS
"""Scale of Pillow's integer weights."""

Steps: TypeAlias = list[tuple[str, tuple[float, ...]]]
"""Operators with one value per channel, in the network's channel order."""


def preprocessing_model(card: ModelCard) -> onnx.ModelProto:
    """Build the preprocessing of an exported file.

    Returns:
        A model from ``image``, uint8 ``[batch, height, width, 3]``, RGB, to ``pixels``, float32
        ``[batch, 3, height, width]``, normalized; one channel for a grayscale network.
    """
    rows, columns = card.shape
    g = Graph("preprocessing/")
    height = g.op("Shape", "image", start=1, end=2)
    width = g.op("Shape", "image", start=2, end=3)
    ready = g.op(
        "And", g.op("Equal", height, g.whole(rows)), g.op("Equal", width, g.whole(columns))
    )
    sizing = (
        resampling(height, width, card.shape, card.sizing)
        if card.sizing
        else _sizing(card, height, width)
    )
    sized = g.op("If", g.op("Squeeze", ready), then_branch=_unchanged(), else_branch=sizing)
    channels = 1 if card.normalization.channel_order == "grey" else 3
    _normalized(g, sized, card)
    image = tensor("image", UINT8, ["batch", "height", "width", 3])
    pixels = tensor("pixels", FLOAT, ["batch", channels, rows, columns])
    return model(g.finish("preprocessing", [image], [pixels]))


def _normalized(g: Graph, sized: str, card: ModelCard) -> None:
    """Add ``pixels``; subtracting 0 and dividing by 1 are omitted."""
    mean, std = card.normalization.mean, card.normalization.std
    steps: Steps = [("Sub", mean)] if any(mean) else []
    steps += [("Div", std)] if set(std) != {1.0} else []
    if all(len(set(values)) == 1 for _, values in steps):
        _uniformly(g, sized, card, steps)
    else:
        _by_channel(g, sized, card, steps)


def _uniformly(g: Graph, sized: str, card: ModelCard, steps: Steps) -> None:
    """Normalize all channels by the same values."""
    gray, last = card.normalization.channel_order == "grey", None if steps else "pixels"
    planes = g.op("Cast", _planes(g, sized, card), to=FLOAT, output=None if gray else last)
    if gray:
        planes = _gray(g, planes, last)
    for number, (kind, values) in enumerate(steps, 1):
        name = "pixels" if number == len(steps) else None
        planes = g.op(kind, planes, g.constant(values[0], np.float32), output=name)


def _by_channel(g: Graph, sized: str, card: ModelCard, steps: Steps) -> None:
    """Normalize each channel by its own values, in whole rows.

    onnxruntime runs an int8 network channels-last, and moves the Transpose behind these nodes,
    where three values take many times as long as a whole row of them.
    """
    (height, width), backwards = card.shape, card.normalization.channel_order == "BGR"
    line = g.whole(0, height, 3 * width)
    values = g.op("Reshape", g.op("Cast", sized, to=FLOAT), line)
    for kind, numbers in steps:
        pixel = numbers[::-1] if backwards else numbers
        values = g.op(kind, values, g.constant(np.tile(pixel, width), np.float32))
    _planes(g, g.op("Reshape", values, g.whole(0, height, width, 3)), card, "pixels")


def _planes(g: Graph, sized: str, card: ModelCard, output: str | None = None) -> str:
    backwards = card.normalization.channel_order == "BGR"
    planes = g.op("Transpose", sized, perm=[0, 3, 1, 2], output=None if backwards else output)
    if backwards:
        planes = g.op("Gather", planes, g.whole(2, 1, 0), axis=1, output=output)
    return planes


def _gray(g: Graph, planes: str, output: str | None) -> str:
    """Convert to grayscale as images.gray does. Integers stay below 2**24: float32 is exact."""
    weights = g.constant(np.reshape(images.GRAY_WEIGHTS, (1, 3, 1, 1)), np.float32)
    total = g.op("ReduceSum", g.op("Mul", planes, weights), g.whole(1), keepdims=1)
    rounded = g.op("Add", total, g.constant(2.0**15, np.float32))
    return g.op("Floor", g.op("Mul", rounded, g.constant(2.0**-16, np.float32)), output=output)


def _unchanged() -> onnx.GraphProto:
    g = Graph("as_it_is/")
    g.op("Identity", "image", output="as_it_is/sized")
    return g.finish("as_it_is", [], [tensor("as_it_is/sized", UINT8, ["batch", None, None, 3])])


def _sizing(card: ModelCard, height: str, width: str) -> onnx.GraphProto:
    size = card.image_size
    g = Graph("sizing/")
    down = _Axis(g, card, height, (height, width)).weights()
    across = _Axis(g, card, width, (height, width)).weights(pixels=0)
    planes = g.double(g.op("Transpose", "image", perm=TO_PLANES))
    # Horizontally first, as images.py: [batch, 3, height, width] x [width, size].
    rows = g.half_up(g.op("MatMul", planes, across))
    # Then vertically: [size, height] x [batch, 3, height, size].
    columns = g.op("Cast", g.half_up(g.op("MatMul", down, rows)), to=UINT8)
    g.op("Transpose", columns, perm=TO_PIXELS, output="sizing/sized")
    return g.finish("sizing", [], [tensor("sizing/sized", UINT8, ["batch", size, size, 3])])


class _Axis:
    """One axis of a picture: the formulas of images.py and of Pillow as nodes.

    All values are int64 or float64 of shape [1] unless said otherwise.
    """

    def __init__(self, g: Graph, card: ModelCard, length: str, both: tuple[str, str]) -> None:
        self.g, self.size, self.length, self.both = g, card.image_size, length, both
        self.start, self.stop = g.constant([0.0], np.float32), g.op("Cast", length, to=FLOAT)
        self.target, self.offset = self.g.whole(self.size), self.g.whole(0)
        {"squash": lambda: None, "crop": self._crop, "pad": self._pad}[card.resize]()

    def _scaled(self, numerator: str, denominator: str) -> str:
        """Return length * numerator / denominator, rounded half up, in integers."""
        g = self.g
        two = g.whole(2)
        product = g.op("Mul", two, g.op("Mul", self.length, numerator))
        return g.op("Div", g.op("Add", product, denominator), g.op("Mul", two, denominator))

    def _crop(self) -> None:
        g = self.g
        short = g.op("Min", *self.both)
        target = self._scaled(g.whole((16 * self.size + 7) // 14), short)
        before = g.op("Div", g.op("Sub", target, g.whole(self.size)), g.whole(2))
        after = g.op("Add", before, g.whole(self.size))
        self.start, self.stop = self._source(before, target), self._source(after, target)

    def _source(self, position: str, target: str) -> str:
        # images.py divides as float64, and Pillow keeps the box as float32.
        g = self.g
        product = g.double(g.op("Mul", position, self.length))
        return g.op("Cast", g.op("Div", product, g.double(target)), to=FLOAT)

    def _pad(self) -> None:
        g = self.g
        size = g.whole(self.size)
        longer = g.op("Max", *self.both)
        scaled = self._scaled(g.op("Min", longer, size), longer)
        self.target = g.op("Max", g.whole(1), scaled)
        self.offset = g.op("Div", g.op("Sub", size, self.target), g.whole(2))

    def weights(self, pixels: int = 1) -> str:
        """Return the weights of input pixels, on axis 0 or 1, in output pixels, float64."""
        g = self.g
        one, half = g.number(1.0), g.number(0.5)
        extent = g.double(g.op("Sub", self.stop, self.start))
        scale = g.op("Div", extent, g.double(self.target))
        rows = g.constant(np.expand_dims(np.arange(self.size), pixels), np.int64)
        index = g.op("Sub", rows, self.offset)
        middle = g.op("Mul", g.op("Add", g.double(index), half), scale)
        center = g.op("Add", g.double(self.start), middle)
        columns = g.op("Unsqueeze", g.double(g.positions(self.length)), g.whole(1 - pixels))
        distance = g.op("Add", g.op("Sub", columns, center), half)
        narrow = g.op("Div", one, g.op("Max", scale, one))
        triangle = g.op("Sub", one, g.op("Abs", g.op("Mul", distance, narrow)))
        raw = g.op("Max", triangle, g.number(0.0))
        total = g.op("ReduceSum", raw, g.whole(pixels), keepdims=1)
        fixed = g.op("Mul", g.op("Div", raw, total), g.number(FIXED_POINT))
        share = g.op("Div", g.half_up(fixed), g.number(FIXED_POINT))
        # Padding has no weights at all; its 0 / 0 is dropped here.
        return g.op("Where", g.within(index, self.target), share, g.number(0.0))
