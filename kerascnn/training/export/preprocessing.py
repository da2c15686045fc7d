"""Preprocessing as an ONNX graph: resizing, if needed, and normalization.

Knows: the card's normalization, and when there is nothing to resize. Does not know: Keras, how
pictures are resized (:mod:`kerascnn.training.export.resampling`).

:class:`kerascnn.Classifier` resizes with Pillow, which takes a tenth of the time. A picture that
already has the model's size skips the resizing here (``If``; onnxruntime removes it when height and
width are fixed).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import onnx

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.training.export.graph import FLOAT, UINT8, Graph, Value, model, tensor
from kerascnn.training.export.resampling import resampling

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
    ready = height.equals(rows) & width.equals(columns)
    sizing = resampling(height.name, width.name, card)
    sized = g.op("If", g.op("Squeeze", ready), then_branch=_unchanged(), else_branch=sizing)
    channels = 1 if card.normalization.channel_order == "grey" else 3
    _normalized(g, sized, card)
    image = tensor("image", UINT8, ["batch", "height", "width", 3])
    pixels = tensor("pixels", FLOAT, ["batch", channels, rows, columns])
    return model(g.finish("preprocessing", [image], [pixels]))


def _normalized(g: Graph, sized: Value, card: ModelCard) -> None:
    """Add ``pixels``; subtracting 0 and dividing by 1 are omitted."""
    mean, std = card.normalization.mean, card.normalization.std
    steps: Steps = [("Sub", mean)] if any(mean) else []
    steps += [("Div", std)] if set(std) != {1.0} else []
    if all(len(set(values)) == 1 for _, values in steps):
        _uniformly(g, sized, card, steps)
    else:
        _by_channel(g, sized, card, steps)


def _uniformly(g: Graph, sized: Value, card: ModelCard, steps: Steps) -> None:
    """Normalize all channels by the same values."""
    gray, last = card.normalization.channel_order == "grey", None if steps else "pixels"
    planes = g.op("Cast", _planes(g, sized, card), to=FLOAT, output=None if gray else last)
    if gray:
        planes = _gray(g, planes, last)
    for number, (kind, values) in enumerate(steps, 1):
        name = "pixels" if number == len(steps) else None
        planes = g.op(kind, planes, g.constant(values[0], np.float32), output=name)


def _by_channel(g: Graph, sized: Value, card: ModelCard, steps: Steps) -> None:
    """Normalize each channel by its own values, in whole rows.

    onnxruntime runs an int8 network channels-last, and moves the Transpose behind these nodes,
    where three values take many times as long as a whole row of them.
    """
    (height, width), backwards = card.shape, card.normalization.channel_order == "BGR"
    line = g.whole(0, height, 3 * width)
    values = g.op("Reshape", sized.cast(FLOAT), line)
    for kind, numbers in steps:
        pixel = numbers[::-1] if backwards else numbers
        values = g.op(kind, values, g.constant(np.tile(pixel, width), np.float32))
    _planes(g, g.op("Reshape", values, g.whole(0, height, width, 3)), card, "pixels")


def _planes(g: Graph, sized: Value, card: ModelCard, output: str | None = None) -> Value:
    backwards = card.normalization.channel_order == "BGR"
    planes = g.op("Transpose", sized, perm=[0, 3, 1, 2], output=None if backwards else output)
    if backwards:
        planes = g.op("Gather", planes, g.whole(2, 1, 0), axis=1, output=output)
    return planes


def _gray(g: Graph, planes: Value, output: str | None) -> Value:
    """Convert to grayscale as images.gray does. Integers stay below 2**24: float32 is exact."""
    weights = g.constant(np.reshape(images.GRAY_WEIGHTS, (1, 3, 1, 1)), np.float32)
    total = g.op("ReduceSum", planes * weights, 1, keepdims=1)
    rounded = total + g.constant(2.0**15, np.float32)
    return g.op("Floor", g.op("Mul", rounded, g.constant(2.0**-16, np.float32)), output=output)


def _unchanged() -> onnx.GraphProto:
    g = Graph("as_it_is/")
    g.op("Identity", "image", output="as_it_is/sized")
    return g.finish("as_it_is", [], [tensor("as_it_is/sized", UINT8, ["batch", None, None, 3])])
