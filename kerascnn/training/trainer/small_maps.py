"""Convolutions of very small feature maps as products of matrices, in training steps on a CPU.

Knows: oneDNN computes a convolution row by row, and its matrices have as few rows as a map has
columns; it multiplies the padding's zeros, too. Does not know: GPUs, BatchNormalization.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import layers

from kerascnn.training.networks.blocks import flat
from kerascnn.training.networks.replaced import replaced

MOST_POSITIONS = 16
"""Positions of the output map at most: 4 x 4."""

MOST_TAPS = 9
"""Weights of a kernel per pair of channels at most: each is a product of its own."""

WEIGHTS_PER_POSITION = 1600
"""Channels of input times output at least, for each position of the output map: the more positions
there are, the more small operations, which with few channels cost the gain."""


def split_convolutions(network: keras.Model) -> AbstractContextManager[None]:
    """Compute convolutions of very small maps as products of matrices while a block runs.

    Only for a network traced in the block; logits and gradients differ only by rounding.
    """
    unpadded: _Unpadded = {}
    methods: dict[tuple[layers.Layer, str], Any] = {}
    for layer in flat(network):
        if _is_plain(layer):
            methods[layer, "convolution_op"] = partial(_convolved, unpadded, layer)
        elif type(layer) is layers.ZeroPadding2D:
            methods[layer, "call"] = partial(_padded, unpadded, layer)
    return replaced(methods)


_Unpadded = dict[int, tuple[Any, Any, tuple[int, int]]]
"""By the id of padded maps: they themselves, so that the id is not reused, the maps before, and the
zeros above and to the left."""


class _Axis(NamedTuple):
    """One axis of a convolution: sizes of maps and kernel, stride, and zeros at the beginning."""

    size: int
    taps: int
    stride: int
    before: int
    outputs: int

    def covered(self) -> bool:
        """Return whether every output reads something else than padding."""
        starts = [i * self.stride - self.before for i in range(self.outputs)]
        return all(-self.taps < start < self.size for start in starts)

    def is_each_alone(self) -> bool:
        """Return whether each output reads the input of the same position, and no other."""
        return self.taps == 1 and self.pairs(0) == [(i, i) for i in range(self.size)]

    def pairs(self, tap: int) -> list[tuple[int, int]]:
        """Return the (output, input) positions that a tap joins; none in the padding."""
        sources = [(i, i * self.stride + tap - self.before) for i in range(self.outputs)]
        return [(i, source) for i, source in sources if 0 <= source < self.size]


def _is_plain(layer: layers.Layer) -> bool:
    return (
        type(layer) is layers.Conv2D
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.padding in ("same", "valid")
    )


def _padded(unpadded: _Unpadded, layer: layers.ZeroPadding2D, inputs: Any) -> Any:
    outputs = type(layer).call(layer, inputs)
    if layer.data_format == "channels_last":
        (top, _), (left, _) = layer.padding
        unpadded[id(outputs)] = outputs, inputs, (top, left)
    return outputs


def _gains(kernel: Sequence[int], positions: int) -> bool:
    """Return whether products of matrices are quicker, for so many positions of the output map."""
    rows, columns, before, after = kernel
    small = positions <= MOST_POSITIONS and rows * columns <= MOST_TAPS
    return small and before * after >= WEIGHTS_PER_POSITION * positions


def _convolved(unpadded: _Unpadded, layer: layers.Conv2D, maps: Any, kernel: Any) -> Any:
    shape = layer.compute_output_shape(maps.shape)[1:3]
    if None in shape or not _gains(kernel.shape, math.prod(shape)):
        return type(layer).convolution_op(layer, maps, kernel)
    _, bare, before = unpadded.get(id(maps), (maps, maps, (0, 0)))
    if layer.padding == "same":
        sizes = zip(shape, layer.strides, layer.kernel_size, maps.shape[1:3], strict=True)
        added = [max((out - 1) * stride + size - of, 0) // 2 for out, stride, size, of in sizes]
        before = before[0] + added[0], before[1] + added[1]
    rows, columns = map(_Axis, bare.shape[1:3], layer.kernel_size, layer.strides, before, shape)
    if not (rows.covered() and columns.covered()):
        return type(layer).convolution_op(layer, maps, kernel)
    return _products(bare, tf.convert_to_tensor(kernel), rows, columns)


def _products(maps: Any, kernel: Any, rows: _Axis, columns: _Axis) -> Any:
    """Multiply, for each tap of the kernel, the positions that it meets; sum by output position."""
    if all(axis.is_each_alone() for axis in (rows, columns)):
        product_of_all = tf.matmul(tf.reshape(maps, [-1, maps.shape[-1]]), kernel[0, 0])
        return tf.reshape(product_of_all, [-1, rows.outputs, columns.outputs, kernel.shape[-1]])
    inputs = tf.unstack(tf.reshape(maps, [-1, rows.size * columns.size, maps.shape[-1]]), axis=1)
    taps = tf.unstack(tf.reshape(kernel, [-1, *kernel.shape[2:]]))
    sums: list[list[Any]] = [[] for _ in range(rows.outputs * columns.outputs)]
    for (row, column), tap in zip(
        product(range(rows.taps), range(columns.taps)), taps, strict=True
    ):
        pairs = list(product(rows.pairs(row), columns.pairs(column)))
        if not pairs:
            continue
        read = tf.concat([inputs[y * columns.size + x] for (_, y), (_, x) in pairs], 0)
        parts = tf.split(tf.matmul(read, tap), len(pairs))
        for ((i, _), (j, _)), part in zip(pairs, parts, strict=True):
            sums[i * columns.outputs + j].append(part)
    outputs = tf.stack([tf.add_n(one) for one in sums], 1)
    return tf.reshape(outputs, [-1, rows.outputs, columns.outputs, kernel.shape[-1]])
