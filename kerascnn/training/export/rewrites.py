"""What tf2onnx leaves in a graph that need not be there.

Knows: four rewrites, each the same function of the input in exact arithmetic; that float32 agrees
is proved at every export by the comparison with the Keras model. Does not know preprocessing.

* A scale and shift behind a convolution (BatchNormalization at inference) go into its weights.
  tf2onnx does so itself only where the convolution has no bias.
* Flattening: Keras flattens ``[height, width, channels]``, the graph has ``[channels, height,
  width]``; instead of a Transpose, the rows of the matrix behind it are put in the other order,
  and eight nodes that compute the shape become the constant ``[0, -1]``.
* Zeros laid around a picture before max pooling become the pooling's own padding, where a ReLU
  has left nothing below zero.
* Rows that a transposed convolution has beyond what its kernel reaches are "output padding";
  tf2onnx writes them as padding below zero, which ONNX forbids.

Not folded: the division of the preprocessing into the first convolution. It is exact for no
normalization in use: a mean that is taken off before zero padding does not commute with it, and
a division by 255 is rounded at another place.
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
        core: From ``pixels`` to ``logits``, with every size but the batch fixed.
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
    """A graph with its constants, shapes, givers and takers by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(model).graph
        self._shapes = {
            value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
            for value in (*inferred.value_info, *inferred.input, *inferred.output)
        }

    def array(self, name: str) -> npt.NDArray[np.float32] | None:
        """Return a constant's values, if it is one."""
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def set(self, name: str, value: npt.NDArray[np.generic]) -> str:
        """Add a constant."""
        tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        self.graph.initializer.append(tensor)
        self.constants[name] = tensor
        return name

    def shape(self, name: str) -> list[int]:
        """Return the sizes of a tensor, 0 where dynamic; nothing where unknown."""
        return self._shapes.get(name, [])

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Find the node that a tensor comes from."""
        return next((node for node in self.graph.node if name in node.output), None)

    def only_consumer(self, name: str) -> onnx.NodeProto | None:
        """Find the node that takes a tensor, if there is one only and it is no output."""
        takers = [node for node in self.graph.node if name in needs(node)]
        outside = name in {value.name for value in self.graph.output}
        return takers[0] if len(takers) == 1 and not outside else None

    def replace(self, node: onnx.NodeProto, by: str) -> None:
        """Remove a node with one output; its consumers get another tensor."""
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
    """Return the Mul and Add nodes with one number a channel that follow a convolution."""
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
    kernel = helper.get_node_attr_value(pool, "kernel_shape")
    if amounts is None or len(amounts) != 8 or any(amounts[axis] for axis in (0, 1, 4, 5)):
        return
    pads = [int(amounts[axis]) for axis in (2, 3, 6, 7)]
    # Every window must have a picture in it: padding in max pooling stands below everything.
    if (
        min(pads) < 0
        or max(pads) >= min(kernel)
        or any(
            attribute.name in ("pads", "auto_pad") and any(attribute.ints)
            for attribute in pool.attribute
        )
    ):
        return
    kept = [attribute for attribute in pool.attribute if attribute.name not in ("pads", "auto_pad")]
    del pool.attribute[:]
    pool.attribute.extend([*kept, helper.make_attribute("pads", pads)])
    pool.input[0] = pad.input[0]


def _pad_output(transposed: onnx.NodeProto) -> None:
    pads = next((list(one.ints) for one in transposed.attribute if one.name == "pads"), [])
    if min(pads, default=0) >= 0:
        return
    half = len(pads) // 2
    # TensorFlow lays nothing before, so both ends' missing rows stand behind.
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
