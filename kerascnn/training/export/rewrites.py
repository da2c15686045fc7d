"""Simplification of the graphs that tf2onnx writes.

Knows: four rewrites, each the same function in exact arithmetic; that float32 agrees is verified at
every export by the comparison with the Keras model. Does not know: preprocessing.

* A scale and shift after a convolution (BatchNormalization at inference) are folded into its
  weights. tf2onnx does so itself only where the convolution has no bias.
* Flattening: Keras flattens ``[height, width, channels]``, the graph has ``[channels, height,
  width]``; instead of a Transpose, the rows of the following matrix are reordered, and eight nodes
  that compute the shape become the constant ``[0, -1]``.
* Zero padding before max pooling becomes the pooling's own padding, if it follows a ReLU, so that
  no value is below zero.
* Rows of a transposed convolution that its kernel does not reach are "output padding"; tf2onnx
  writes them as negative padding, which ONNX forbids.

Not folded: the normalization into the first convolution. It is exact for no normalization in use:
subtracting a mean does not commute with zero padding, and a division by 255 would be rounded at
another place.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from kerascnn.training.export.graph import needs


def simplify(core: onnx.ModelProto) -> onnx.ModelProto:
    """Apply the rewrites.

    Args:
        core: Network from ``pixels`` to ``logits``, with every size but the batch fixed.
    """
    view = _View(core)
    for node in list(core.graph.node):
        if node.op_type == "Conv":
            _fold_affine(view, node)
        elif node.op_type == "Reshape":
            _flatten(view, node)
        elif node.op_type == "MaxPool":
            _fold_padding(view, node)
        elif node.op_type == "ConvTranspose":
            _pad_output(node)
    view.drop_dead()
    return core


class _View:
    """A graph with its constants, shapes, producers and consumers by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(model).graph
        self._shapes = {
            value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
            for value in (*inferred.value_info, *inferred.input, *inferred.output)
        }

    def array(self, name: str) -> npt.NDArray[np.float32] | None:
        """Return the values of a constant; None if it is not one."""
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def set(self, name: str, value: npt.NDArray[np.generic]) -> str:
        """Add a constant."""
        tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        self.graph.initializer.append(tensor)
        self.constants[name] = tensor
        return name

    def shape(self, name: str) -> list[int]:
        """Return the sizes of a tensor, 0 where dynamic; an empty list if unknown."""
        return self._shapes.get(name, [])

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that produces a tensor."""
        return next((node for node in self.graph.node if name in node.output), None)

    def only_consumer(self, name: str) -> onnx.NodeProto | None:
        """Return the only node that consumes a tensor, unless it is an output."""
        takers = [node for node in self.graph.node if name in needs(node)]
        outside = name in {value.name for value in self.graph.output}
        return takers[0] if len(takers) == 1 and not outside else None

    def replace(self, node: onnx.NodeProto, by: str) -> None:
        """Remove a node with one output, and give its consumers another tensor."""
        for taker in self.graph.node:
            for index, name in enumerate(taker.input):
                if name == node.output[0]:
                    taker.input[index] = by
        self.graph.node.remove(node)

    def drop_dead(self) -> None:
        """Remove unused nodes and constants."""
        wanted = {value.name for value in self.graph.output}
        kept = []
        for node in reversed(self.graph.node):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted |= needs(node)
        del self.graph.node[:]
        self.graph.node.extend(reversed(kept))
        constants = [tensor for tensor in self.graph.initializer if tensor.name in wanted]
        del self.graph.initializer[:]
        self.graph.initializer.extend(constants)


def _fold_affine(view: _View, conv: onnx.NodeProto) -> None:
    for node, factor in _affine(view, conv):
        weights, bias = view.array(conv.input[1]), _bias(view, conv)
        if weights is None or bias is None:
            return
        if node.op_type == "Mul":
            weights, bias = weights * factor[:, None, None, None], bias * factor
        else:
            bias = bias + factor
        name = node.output[0]
        conv.input[1] = view.set(f"{name}/weights", weights)
        conv.input[2:] = [view.set(f"{name}/bias", bias)]
        view.replace(node, conv.output[0])


def _affine(
    view: _View, conv: onnx.NodeProto
) -> Iterator[tuple[onnx.NodeProto, npt.NDArray[np.float32]]]:
    """Yield the Mul and Add nodes with one value per channel that follow a convolution."""
    channels = view.shape(conv.output[0])[1:2]
    while (node := view.only_consumer(conv.output[0])) and node.op_type in ("Mul", "Add"):
        other = node.input[1] if node.input[0] == conv.output[0] else node.input[0]
        value = view.array(other)
        if (
            value is None
            or list(value.shape)[-3:] != [*channels, 1, 1]
            or value.size != channels[0]
        ):
            return
        yield node, value.reshape(-1)


def _bias(view: _View, conv: onnx.NodeProto) -> npt.NDArray[np.float32] | None:
    if len(conv.input) == 3:
        return view.array(conv.input[2])
    return np.zeros(view.shape(conv.output[0])[1], np.float32)


def _flatten(view: _View, reshape: onnx.NodeProto) -> None:
    turn, matmul = view.producer(reshape.input[0]), view.only_consumer(reshape.output[0])
    if turn is None or turn.op_type != "Transpose" or matmul is None or matmul.op_type != "MatMul":
        return
    before, after = view.shape(turn.input[0]), view.shape(reshape.output[0])
    matrix = view.array(matmul.input[1])
    order = list(helper.get_node_attr_value(turn, "perm"))
    if matrix is None or order != [0, 2, 3, 1] or len(after) != 2 or len(before) != 4:
        return
    channels, height, width = before[1:]
    if matrix.shape[0] != channels * height * width or matmul.input[0] != reshape.output[0]:
        return
    cube = matrix.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
    matmul.input[1] = view.set(f"{matmul.name}/weights", cube.reshape(matrix.shape))
    reshape.input[:] = [turn.input[0], view.set(f"{reshape.name}/shape", np.array([0, -1]))]


def _fold_padding(view: _View, pool: onnx.NodeProto) -> None:
    pad = view.producer(pool.input[0])
    if pad is None or pad.op_type != "Pad" or not _is_zeros(view, pad):
        return
    source = view.producer(pad.input[0])
    if source is None or source.op_type != "Relu" or view.only_consumer(pad.output[0]) is None:
        return
    amounts = view.array(pad.input[1])
    if amounts is None or len(amounts) != 8 or any(amounts[axis] for axis in (0, 1, 4, 5)):
        return
    pads = [int(amounts[axis]) for axis in (2, 3, 6, 7)]
    own = [attribute for attribute in pool.attribute if attribute.name in ("pads", "auto_pad")]
    kernel = helper.get_node_attr_value(pool, "kernel_shape")
    # Every window must overlap the picture: max pooling ignores padding.
    if min(pads) < 0 or max(pads) >= min(kernel) or any(any(one.ints) for one in own):
        return
    kept = [attribute for attribute in pool.attribute if attribute not in own]
    del pool.attribute[:]
    pool.attribute.extend([*kept, helper.make_attribute("pads", pads)])
    pool.input[0] = pad.input[0]


def _pad_output(transposed: onnx.NodeProto) -> None:
    pads = next((list(one.ints) for one in transposed.attribute if one.name == "pads"), [])
    if min(pads, default=0) >= 0:
        return
    half = len(pads) // 2
    # TensorFlow pads nothing in front, so the missing rows of both ends go behind.
    beyond = [max(0, -pads[axis] - pads[axis + half]) for axis in range(half)]
    kept = [one for one in transposed.attribute if one.name != "pads"]
    del transposed.attribute[:]
    transposed.attribute.extend(
        [*kept, helper.make_attribute("pads", [max(0, pad) for pad in pads]),
         helper.make_attribute("output_padding", beyond)]
    )  # fmt: skip


def _is_zeros(view: _View, pad: onnx.NodeProto) -> bool:
    modes = [attribute.s for attribute in pad.attribute if attribute.name == "mode"]
    value = view.array(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.zeros(1)
    return modes in ([], [b"constant"]) and value is not None and not value.any()
