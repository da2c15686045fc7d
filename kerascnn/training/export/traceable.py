"""Tracing of a network as operations that tf2onnx can convert.

Knows: which Keras operations are hidden in calls that cannot be converted. Does not know: ONNX.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from keras.src import backend

from kerascnn.training.networks.replaced import replaced


def traceable() -> AbstractContextManager[None]:
    """Trace a network as operations that tf2onnx knows while a block runs.

    On a CPU Keras runs some convolutions (grouped, 3D with channels first) through XLA, as a call
    that tf2onnx cannot see into. TensorFlow's operation is the same function; here it is only
    traced, never run. tf2onnx takes tensors for inputs that layers and operations hold, such as
    the mean of Normalization or of ``preprocess_input``.
    """
    import tensorflow as tf
    from keras.src.backend.tensorflow import nn

    graphs = tf.__internal__.FuncGraph
    capture = graphs.capture

    def by_value(graph: Any, tensor: Any, *args: Any, **options: Any) -> Any:
        if hasattr(tensor, "numpy") and tensor.dtype not in (tf.resource, tf.variant):
            with graph.as_default():
                return tf.constant(tensor.numpy())
        return capture(graph, tensor, *args, **options)

    return replaced({(nn, "conv"): _convolution, (graphs, "capture"): by_value})


def _convolution(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    import tensorflow as tf

    letters = "DHW"[5 - len(inputs.shape) :]
    first = backend.standardize_data_format(data_format) == "channels_first"
    axis = 1 if first else -1
    # tf2onnx supports groups in one and two dimensions.
    groups = inputs.shape[axis] // kernel.shape[-2] if len(letters) == 3 else 1
    found = [
        tf.nn.convolution(
            part,
            of_part,
            strides=strides,
            padding=padding.upper(),
            data_format=f"NC{letters}" if first else f"N{letters}C",
            dilations=dilation_rate,
        )
        for part, of_part in zip(
            tf.split(inputs, groups, axis), tf.split(kernel, groups, -1), strict=True
        )
    ]
    return tf.concat(found, axis) if groups > 1 else found[0]
