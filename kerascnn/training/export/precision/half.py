"""Conversion of a network to float16.

Knows: onnxruntime's converter, and that the last layer is better left in float32. Does not know:
files, cards.
"""

from __future__ import annotations

import copy

import onnx

from kerascnn.training.export.graph import in_order
from kerascnn.training.export.precision.quantize import layers


def to_float16(core: onnx.ModelProto) -> onnx.ModelProto:
    """Convert the weights and arithmetic of a network.

    Args:
        core: Network from ``pixels`` to ``logits``, float32.

    Returns:
        The network in float16, except its last layer, its input and its output.
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

    If another node reads such an output as well, onnxruntime 1.32 removes the casts on the CPU and
    leaves the output under another name.
    """
    graph, name = half.graph, "logits"
    while (node := _producer(graph, name)).op_type == "Cast":
        name = node.input[0]
        graph.node.remove(node)
    node.output[list(node.output).index(name)] = "logits"
    return half


def _producer(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    return next(node for node in graph.node if name in node.output)
