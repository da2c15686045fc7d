"""A network in float16.

Knows: onnxruntime's converter, and that the last layer is better left alone. Does not know files
or cards.
"""

from __future__ import annotations

import copy

import onnx

from kerascnn.training.export.graph import in_order
from kerascnn.training.export.precision.quantize import layers


def to_float16(core: onnx.ModelProto) -> onnx.ModelProto:
    """Convert weights and arithmetic of a network.

    Args:
        core: From ``pixels`` to ``logits``, float32.

    Returns:
        The same network in float16, but for its last layer and its ends.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    names = [node.name for node in core.graph.node]
    last = names[names.index(layers(core)[-1]) :]
    half = convert_float_to_float16(
        copy.deepcopy(core), keep_io_types=True, node_block_list=last, force_fp16_initializers=False
    )
    return _without_last_casts(in_order(half))


def _without_last_casts(half: onnx.ModelProto) -> onnx.ModelProto:
    """Make the last layer output float32 ``logits`` directly, without a cast from float16.

    Where such casts stand before an output that another node takes too, onnxruntime 1.32 removes
    them on the CPU and leaves the output under another name.
    """
    graph, name = half.graph, "logits"
    while (node := _producer(graph, name)).op_type == "Cast":
        name = node.input[0]
        graph.node.remove(node)
    node.output[list(node.output).index(name)] = "logits"
    return half


def _producer(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    return next(node for node in graph.node if name in node.output)
