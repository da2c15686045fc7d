"""Detects whether an ``.onnx`` graph normalizes its input, without the onnx package.

Knows: the parts of GraphProto needed to follow the input to its first arithmetic operator. Skips
weights.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.inference.model_file.metadata import find_graph, opened
from kerascnn.inference.model_file.nodes import NODE, read_node
from kerascnn.inference.model_file.protobuf import fields

_ARITHMETIC = frozenset({"Sub", "Div", "Mul", "Add"})
"""Operators that shift or scale pixels."""

_SAME_PIXELS = frozenset(
    {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather"}
    | {"Split", "Concat", "Clip", "Resize", "Pad"}
)
"""Operators that pass pixels on, in another order, shape or type."""


def quantizes_by_batch(path: str | Path) -> bool:
    """Return whether a graph computes quantization scales over the batch, as dynamic int8 does."""
    with opened(path) as (file, message):
        nodes = (span for field, span in fields(file, find_graph(file, message)) if field == NODE)
        return any(read_node(file, node)[0].startswith("DynamicQuantize") for node in nodes)


def normalizes_pixels(path: str | Path, name: str) -> bool:
    """Return whether a graph shifts or scales its pixels before the first learned layer.

    Raises:
        ModelFileError: Not a whole ONNX file.
    """
    pixels = {name}
    with opened(path) as (file, message):
        for field, node in fields(file, find_graph(file, message)):
            if field != NODE:
                continue
            kind, inputs, outputs = read_node(file, node)
            if pixels.isdisjoint(inputs):
                continue
            if kind in _ARITHMETIC:
                return True
            if kind in _SAME_PIXELS:
                pixels.update(outputs)
    return False
