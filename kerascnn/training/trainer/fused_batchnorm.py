"""BatchNormalization as one TensorFlow operation, in training steps on a CPU.

Knows: on TensorFlow, Keras 3 builds it from about ten operations, each of which reads the whole
batch from memory; TensorFlow has a fused one. Does not know: GPUs, where XLA fuses those ten;
inference, where a layer uses its moving statistics.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from kerascnn.training.networks.blocks import flat
from kerascnn.training.networks.replaced import replaced
from kerascnn.training.trainer.padded_channels import BLOCK, PaddedMaps, with_zeros


def fused_batchnorm(network: keras.Model) -> AbstractContextManager[None]:
    """Run BatchNormalization as one operation, on padded channels, while a block runs.

    Only for a network traced in the block; logits and gradients differ only by rounding.
    """
    padded = PaddedMaps()
    calls = {
        (layer, "call"): partial(_fused, padded, layer)
        if _is_fusible(layer)
        else padded.call_of(layer)
        for layer in flat(network)
    }
    return replaced({place: call for place, call in calls.items() if call is not None})


def _is_fusible(layer: keras.layers.Layer) -> bool:
    """Return whether a layer is a plain, trainable BatchNormalization over feature maps."""
    if type(layer) is not keras.layers.BatchNormalization or not layer.trainable:
        return False
    maps = layer.axis in (-1, 3) and layer.input_spec.ndim == 4
    renormalizes = getattr(layer, "renorm", False)  # since Keras 3.14
    usual = layer.scale and layer.center and not (renormalizes or layer.synchronized)
    return maps and usual


def _fused(
    padded: PaddedMaps,
    layer: keras.layers.Layer,
    inputs: Any,
    training: Any = None,
    mask: Any = None,
) -> Any:
    maps, channels = padded.offered(inputs), inputs.shape[-1]
    if not training or mask is not None or maps.shape[-1] % BLOCK:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    gamma, beta = (
        with_zeros(tf.cast(one.value, tf.float32), maps.shape[-1] - channels)
        for one in (layer.gamma, layer.beta)
    )
    nothing = tf.constant([], tf.float32)  # statistics are outputs here, not inputs
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=maps, scale=gamma, offset=beta, mean=nothing, variance=nothing,
        epsilon=layer.epsilon, is_training=True,
    )  # fmt: skip
    # TensorFlow returns the unbiased variance, Keras keeps the biased one.
    values = tf.cast(tf.size(maps) / maps.shape[-1], tf.float32)
    variance *= (values - 1) / values
    for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + now[:channels] * (1.0 - layer.momentum))
    return outputs if maps is inputs else padded.cut(outputs, channels)
