"""Reads the nodes of an ``.onnx`` graph, without the onnx package.

Knows: a node's operator, inputs and outputs in NodeProto. Does not know what operators do.
"""

from __future__ import annotations

from kerascnn.inference.model_file.protobuf import Message

NODE, INITIALIZER, GRAPH_INPUT = 1, 5, 11
"""Fields of GraphProto; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

INPUT_NAME, TENSOR_NAME = 1, 8
"""Fields of the names in ValueInfoProto and TensorProto."""

_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
"""Fields of NodeProto."""

_NAME, _TEXT = 1, 4
"""Fields of AttributeProto."""


def read_node(node: Message) -> tuple[str, list[str], list[str]]:
    """Read a node: its operator, and the names of its inputs and outputs."""
    return node.text(_OP_TYPE), node.texts(_INPUT), node.texts(_OUTPUT)


def read_activation(node: Message) -> str:
    """Read the operator that onnxruntime's optimizer fused into a node (``FusedGemm``), or ""."""
    attributes = {one.text(_NAME): one for one in node.messages(_ATTRIBUTE)}
    return attributes["activation"].text(_TEXT) if "activation" in attributes else ""
