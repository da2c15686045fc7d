"""Tracing of a network as operations that tf2onnx can convert.

Knows: which Keras operations are hidden in calls that cannot be converted. Does not know: ONNX.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src import backend

from kerascnn.training.networks.blocks import flat


@contextmanager
def traceable(network: keras.Model) -> Iterator[None]:
    """Trace a network as operations that tf2onnx knows while the block runs."""
    with _visible_convolutions(), _constants(network):
        yield


@contextmanager
def _visible_convolutions() -> Iterator[None]:
    """Run every convolution as TensorFlow's own operation.

    On a CPU Keras runs some (grouped, 3D with channels first) through XLA, as a call that tf2onnx
    cannot see into. TensorFlow's operation is the same function; here it is only traced, never run.
    """
    from keras.src.backend.tensorflow import nn

    keras_own, nn.conv = nn.conv, _convolution
    try:
        yield
    finally:
        nn.conv = keras_own


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


@contextmanager
def _constants(network: keras.Model) -> Iterator[None]:
    """Let Normalization layers hold NumPy arrays: tf2onnx takes their tensors for inputs."""
    found = [layer for layer in flat(network) if isinstance(layer, keras.layers.Normalization)]
    saved = [(layer, layer.mean, layer.variance) for layer in found]
    for layer, mean, variance in saved:
        layer.mean, layer.variance = np.asarray(mean), np.asarray(variance)
    try:
        yield
    finally:
        for layer, mean, variance in saved:
            layer.mean, layer.variance = mean, variance
