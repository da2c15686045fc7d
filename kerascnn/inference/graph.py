"""Which operator an ``.onnx`` file ends in, read without the onnx package.

Knows: as much of GraphProto and NodeProto as it takes to follow an output back to the operator
that made its values. Weights are skipped.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.inference.metadata import find_graph, opened
from kerascnn.inference.wire import fields

_NODE = 1
"""Field of GraphProto; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

_INPUT, _OUTPUT, _OP_TYPE = 1, 2, 4
"""Fields of NodeProto."""

_SAME_VALUES = frozenset(
    {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Dropout"}
)
"""Operators that hand on their first input's values, in another shape or type."""


def last_operator(path: str | Path, output: str) -> str:
    """Find the operator that computes an output's values.

    Args:
        path: Of the ``.onnx`` file.
        output: Name of one of the graph's outputs.

    Returns:
        Its type, e.g. ``Softmax``; empty if the graph does not say (the output is inside a
        subgraph, or an input).

    Raises:
        ModelFileError: Not a whole ONNX file.
    """
    makers: dict[str, tuple[str, str]] = {}
    with opened(path) as (file, message):
        for field, node in fields(file, find_graph(file, message)):
            if field != _NODE:
                continue
            kind, first, outputs = "", "", []
            for part, value in fields(file, node):
                if part == _OP_TYPE:
                    kind = value.read(file).decode()
                elif part == _OUTPUT:
                    outputs.append(value.read(file).decode())
                elif part == _INPUT and not first:
                    first = value.read(file).decode()
            makers |= dict.fromkeys(outputs, (kind, first))
    kind, first = makers.get(output, ("", ""))
    # A graph has no cycles, but a broken file may: each maker is used up.
    while kind in _SAME_VALUES:
        kind, first = makers.pop(first, ("", ""))
    return kind
