"""Feature maps padded with channels of zeros to a number for which oneDNN has fast kernels.

Knows: convolutions, activations and pooling of Keras, through which padded channels pass without
affecting the others. Does not know: BatchNormalization, without which padding does not pay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from kerascnn.machine import has_avx512

BLOCK = 8
"""The number of channels must be a multiple of this for oneDNN's fast kernels."""

MOST_ADDED = 12
"""Added channels at most; with more (18 filters computed as 32), nothing is gained."""

AVX2_MOST_ADDED, AVX2_MOST = 4, 16
"""Added channels, and channels in all, at most, on processors without AVX-512, whose vectors are
half as long: 12 filters computed as 16 take 0.90 of the time, but 9 as 16 1.07, 28 as 32 1.14."""

CHANNEL_BY_CHANNEL = (
    layers.ReLU, layers.LeakyReLU, layers.Activation,
    layers.MaxPooling2D, layers.AveragePooling2D,
    layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D,
)  # fmt: skip
"""Layers that compute each channel from the same channel alone."""

ACTIVATIONS = tuple(
    getattr(keras.activations, name)
    for name in ("linear", "relu", "relu6", "silu", "gelu", "elu", "tanh", "sigmoid")
)
"""Activations that do so, unlike softmax."""


class PaddedMaps:
    """The padded forms of the feature maps in one traced function.

    Keras passes on, and checks, maps with as many channels as its layers have. A layer called
    through this class looks up the padded form of its input, computes with that, and returns the
    unpadded part of the result. TensorFlow removes what is not used in the end, such as most of
    these slices, from the graph.
    """

    def __init__(self) -> None:
        # The maps are kept beside their padded form so that their id is not reused.
        self._offered: dict[int, tuple[Any, Any]] = {}
        self._padded: dict[int, tuple[Any, Any]] = {}

    def call_of(self, layer: layers.Layer) -> Callable[..., Any] | None:
        """Return the function that replaces the layer's `call`, or None to leave it as it is."""
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            return None
        if getattr(layer, "activation", keras.activations.linear) not in ACTIVATIONS:
            return None
        if type(layer) is layers.Conv2D and layer.groups == 1:
            return partial(self._convolve, layer)
        return partial(self._each, layer) if type(layer) in CHANNEL_BY_CHANNEL else None

    def offered(self, maps: Any) -> Any:
        """Return what BatchNormalization normalizes: the padded form if there is one."""
        return self._offered.get(id(maps), (maps, self.of(maps)))[1]

    def of(self, maps: Any) -> Any:
        """Return the padded form of the maps, or the maps themselves."""
        return self._padded.get(id(maps), (maps, maps))[1]

    def cut(self, padded: Any, channels: int) -> Any:
        """Return the first channels, and remember their padded form."""
        maps = padded[..., :channels]
        self._padded[id(maps)] = maps, padded
        return maps

    def _convolve(self, layer: layers.Conv2D, inputs: Any) -> Any:
        wide, more = self.of(inputs), _added(layer.filters, inputs.dtype)
        outputs = type(layer).call(layer, inputs) if wide is inputs else _convolved(layer, wide, 0)
        if more:
            self._offered[id(outputs)] = outputs, _convolved(layer, wide, more)
        return outputs

    def _each(self, layer: layers.Layer, inputs: Any) -> Any:
        call, wide = partial(type(layer).call, layer), self.of(inputs)
        return call(inputs) if wide is inputs else self.cut(call(wide), inputs.shape[-1])


def _added(channels: int, dtype: tf.DType) -> int:
    """Return how many channels to add; 0 if that does not pay."""
    # bfloat16 has no fast kernel for 8 channels: the baseline CNN took 1.28 times as long with 8.
    block = BLOCK if channels < BLOCK and dtype == tf.float32 else 2 * BLOCK
    more = -channels % block if channels % BLOCK else 0
    if not has_avx512() and channels + more > AVX2_MOST:
        return 0
    return more if more <= (MOST_ADDED if has_avx512() else AVX2_MOST_ADDED) else 0


def _convolved(layer: layers.Conv2D, maps: Any, more: int) -> Any:
    """Call the layer on maps that may be padded, with more filters."""
    kernel = with_zeros(tf.convert_to_tensor(layer.kernel), more)
    outputs = layer.convolution_op(maps, with_zeros(kernel, maps.shape[-1] - kernel.shape[2], 2))
    if layer.use_bias:
        outputs += with_zeros(tf.convert_to_tensor(layer.bias), more)
    return layer.activation(outputs)


def with_zeros(tensor: Any, count: int, axis: int = -1) -> Any:
    """Append zeros along an axis."""
    # Not with tf.pad: TensorFlow mistakes it for padding of the convolution's input and crashes.
    shape = tensor.shape.as_list()
    shape[axis] = count
    return tf.concat([tensor, tf.zeros(shape, tensor.dtype)], axis) if count else tensor
