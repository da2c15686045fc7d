"""Reads the nodes of an ``.onnx`` graph, without the onnx package.

Knows: a node's operator, inputs and outputs in NodeProto. Does not know what operators do.
"""

from __future__ import annotations

from typing import BinaryIO

from kerascnn.inference.model_file.protobuf import Span, fields

NODE, INITIALIZER, GRAPH_INPUT = 1, 5, 11
"""Fields of GraphProto; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
"""Fields of NodeProto."""

_NAME, _TEXT = 1, 4
"""Fields of AttributeProto."""


def read_node(file: BinaryIO, span: Span) -> tuple[str, list[str], list[str]]:
    """Read a node: its operator, and the names of its inputs and outputs."""
    operator, inputs, outputs = "", [], []
    for part, value in fields(file, span):
        if part == _OP_TYPE:
            operator = value.read(file).decode()
        elif part == _OUTPUT:
            outputs.append(value.read(file).decode())
        elif part == _INPUT:
            inputs.append(value.read(file).decode())
    return operator, inputs, outputs


def read_activation(file: BinaryIO, span: Span) -> str:
    """Read the operator that onnxruntime's optimizer fused into a node (``FusedGemm``), or ""."""
    for part, attribute in fields(file, span):
        if part == _ATTRIBUTE:
            values = dict(fields(file, attribute))
            if _NAME in values and values[_NAME].read(file) == b"activation" and _TEXT in values:
                return values[_TEXT].read(file).decode()
    return ""
