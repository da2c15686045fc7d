"""TensorFlow operations that tf2onnx lacks or converts wrongly, as ONNX operators.

Knows: tf2onnx's graph, and what each operation computes. Does not know: Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Handler = Callable[[Any, Any, str, Any], None]
"""A conversion function of tf2onnx: graph, node, name of the node, extra arguments (here none).
"""


def _erfc(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    """Convert Erfc, as in TensorFlow's GELU, to 1 - Erf."""
    erf = _apply(graph, "Erf", node.input[0])
    _finish(graph, node, "Sub", _constant(graph, node, np.float32(1)), erf)


def _expm1(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    exp = _apply(graph, "Exp", node.input[0])
    _finish(graph, node, "Sub", exp, _constant(graph, node, np.float32(1)))


def _log1p(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    more = _apply(graph, "Add", node.input[0], _constant(graph, node, np.float32(1)))
    _finish(graph, node, "Log", more)


def _bucketize(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    """Convert Bucketize to a count of the boundaries that a value has reached."""
    bounds = np.asarray(node.get_attr("boundaries").floats, np.float32)
    values = _apply(graph, "Cast", node.input[0], to=_FLOAT)
    axis = len(graph.get_shape(node.input[0]))
    values = _apply(graph, "Unsqueeze", values, _constant(graph, node, [axis]))
    below = _apply(graph, "Less", values, _constant(graph, node, bounds))
    reached = _apply(graph, "Cast", _apply(graph, "Not", below), to=_INT32)
    axes = _constant(graph, node, [axis])
    _finish(graph, node, "ReduceSum", reached, axes, keepdims=0)


def _resample(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    """Convert a resize to a fixed size to two matrix products with TensorFlow's weights.

    ONNX's Resize has no Lanczos, and other cubic filters and antialiasing; onnxruntime's rejects
    cubic filters if the batch axis is last.
    """
    height, width, channels, rows, columns = _sizes(graph, node)
    values = _apply(graph, "Cast", node.input[0], to=_FLOAT)

    def shaped(values: str, *sizes: int) -> str:
        return _apply(graph, "Reshape", values, _constant(graph, node, list(sizes)))

    def weights(size: int, new: int) -> str:
        return _constant(graph, node, _weights(node, size, new))

    values = shaped(values, -1, height, width * channels)
    values = _apply(graph, "MatMul", weights(height, rows), values)
    values = shaped(values, -1, width, channels)
    values = _apply(graph, "MatMul", weights(width, columns), values)
    shape = _constant(graph, node, [-1, rows, columns, channels])
    _finish(graph, node, "Reshape", values, shape)


def _nearest(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    """Gather the pixels that TensorFlow picks: ONNX's Resize rounds differently at some sizes."""
    height, width, _, rows, columns = _sizes(graph, node)
    down, across = (
        _constant(graph, node, _weights(node, size, new).argmax(axis=1))
        for size, new in ((height, rows), (width, columns))
    )
    values = _apply(graph, "Gather", node.input[0], down, axis=1)
    _finish(graph, node, "Gather", values, across, axis=2)


def _sizes(graph: Any, node: Any) -> tuple[int, int, int, int, int]:
    """Return height, width and channels of the input of a resize, and its new height and width."""
    sizes = *graph.get_shape(node.input[0])[1:], *graph.get_shape(node.output[0])[1:3]
    if min(sizes) < 1:
        raise ValueError(f"{node.name} resizes to a size that is not fixed")
    height, width, channels, rows, columns = sizes
    return height, width, channels, rows, columns


def _weights(node: Any, size: int, new: int) -> npt.NDArray[np.float32]:
    """Return the ``[new, size]`` weights of a resize, found by resizing unit vectors."""
    import tensorflow as tf

    # A separate graph and session: tf2onnx converts inside another graph.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        unit = tf.reshape(tf.eye(size), (1, size, 1, size))
        resized = _resized(tf.raw_ops, node, unit, size, new)
        found: npt.NDArray[np.float32] = session.run(resized).reshape(new, size)
    return found


def _resized(operations: Any, node: Any, unit: Any, size: int, new: int) -> Any:
    if node.type != "ScaleAndTranslate":
        half = {} if node.type == "ResizeArea" else {"half_pixel_centers": True}
        return getattr(operations, node.type)(images=unit, size=(new, 1), **half)
    return operations.ScaleAndTranslate(
        images=unit, size=(new, 1), scale=(new / size, 1.0), translation=(0.0, 0.0),
        kernel_type=node.get_attr_str("kernel_type"),
        antialias=bool(node.get_attr_int("antialias")),
    )  # fmt: skip


_FLOAT, _INT32 = 1, 6
"""Types of ``onnx.TensorProto``."""


def _constant(graph: Any, node: Any, value: Any) -> str:
    from tf2onnx.utils import make_name

    name: str = graph.make_const(make_name(node.name), np.asarray(value)).output[0]
    return name


def _apply(graph: Any, kind: str, *inputs: str, **attributes: Any) -> str:
    output: str = graph.make_node(kind, inputs, attr=attributes).output[0]
    return output


def _finish(graph: Any, node: Any, kind: str, *inputs: str, **attributes: Any) -> None:
    """Replace the node by an operator with its name and outputs."""
    shapes, dtypes = [graph.get_shape(node.output[0])], [graph.get_dtype(node.output[0])]
    graph.remove_node(node.name)
    graph.make_node(
        kind, inputs, outputs=node.output, name=node.name, shapes=shapes, dtypes=dtypes,
        attr=attributes,
    )  # fmt: skip


HANDLERS: dict[str, tuple[Handler, list[Any]]] = {
    "Erfc": (_erfc, []),
    "Expm1": (_expm1, []),
    "Log1p": (_log1p, []),
    "Bucketize": (_bucketize, []),
    "ScaleAndTranslate": (_resample, []),
    "ResizeBicubic": (_resample, []),
    "ResizeArea": (_resample, []),
    "ResizeNearestNeighbor": (_nearest, []),
}
"""Conversion function of each TensorFlow operation."""
