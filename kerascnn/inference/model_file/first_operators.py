"""Detects whether an ``.onnx`` graph normalizes its input, without the onnx package.

Knows: the parts of GraphProto needed to follow the input to its first arithmetic operator, and for
which range of pixels its constant is. Skips weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kerascnn.inference.model_file.constants import read_constants
from kerascnn.inference.model_file.metadata import find_graph, opened
from kerascnn.inference.model_file.nodes import NODE, read_node

_ARITHMETIC = frozenset({"Sub", "Div", "Mul", "Add", "ImageScaler"})
"""Operators that shift or scale pixels; the last, of Core ML's converters, takes 0 to 255."""

_LARGEST_OFFSET = 2.0
"""Largest mean of pixels up to 1; those of pixels up to 255 are about 100."""

_SMALLEST_DEVIATION = 16.0
"""Smallest divisor of pixels up to 255; those of pixels up to 1 are at most 1."""

_SAME_PIXELS = frozenset(
    {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather"}
    | {"Split", "Concat", "Clip", "Resize", "Pad"}
)
"""Operators that pass pixels on, in another order, shape or type."""


def quantizes_by_batch(path: str | Path) -> bool:
    """Return whether a graph computes quantization scales over the batch, as dynamic int8 does."""
    with opened(path) as model:
        nodes = find_graph(model).messages(NODE)
        return any(read_node(node)[0].startswith("DynamicQuantize") for node in nodes)


def normalizes_pixels(path: str | Path, name: str) -> bool:
    """Return whether a graph itself shifts or scales pixels from 0 to 255 before it learns.

    One that subtracts 0.485, or multiplies by 2, expects them divided by 255.

    Raises:
        ModelFileError: Not a whole ONNX file.
    """
    kind, others = _first_arithmetic(path, name)
    constants = [numbers for numbers in read_constants(path, others).values() if numbers.size]
    if not kind or not constants:
        return bool(kind)  # by statistics of the picture, of whatever range
    size = float(np.abs(constants[0]).max())
    if kind in ("Sub", "Add"):
        return size > _LARGEST_OFFSET
    return size >= _SMALLEST_DEVIATION if kind == "Div" else size <= 1 / _SMALLEST_DEVIATION


def _first_arithmetic(path: str | Path, name: str) -> tuple[str, set[str]]:
    """Find the first operator that shifts or scales pixels, and its other inputs."""
    pixels = {name}
    with opened(path) as model:
        for node in find_graph(model).messages(NODE):
            kind, inputs, outputs = read_node(node)
            if pixels.isdisjoint(inputs):
                continue
            if kind in _ARITHMETIC:
                return kind, set(inputs) - pixels
            if kind in _SAME_PIXELS:
                pixels.update(outputs)
    return "", set()
