"""Grouped convolution with one channel per group, by the backend's depthwise kernel.

Knows: on a CPU, Keras on TensorFlow runs a grouped Conv2D through XLA, which the ONNX converter
cannot see into. Does not know: networks.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("kerascnn")
class PerChannelConv2D(layers.Conv2D):  # type: ignore[misc] # Keras has no types
    """``Conv2D`` whose groups have one channel each; its weights have Conv2D's shapes."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve ``[batch, height, width, channels]`` with ``[rows, columns, 1, channels]``."""
        return ops.depthwise_conv(
            inputs,
            ops.transpose(kernel, (0, 1, 3, 2)),
            strides=self.strides[0],
            padding=self.padding,
            data_format=self.data_format,
        )


def is_per_channel(layer: layers.Layer) -> bool:
    """Return whether a layer is a grouped convolution that this module can run."""
    return (
        type(layer) is layers.Conv2D
        and layer.groups > 1
        and layer.groups == layer.filters == layer.kernel.shape[-1]
        and layer.kernel.shape[-2] == 1
    )
