"""The precision of a network's arithmetic during training.

Knows: Keras' dtype policies, and the cost of 16 bits on a processor without instructions for them.
Does not know: export's precision (:mod:`.export.precision`), which is about the file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import keras

from kerascnn.training.networks.blocks import flat, head_of

SLOW = 1.5
"""Slowdown over float32 from which to warn; below that, the timing may be noise."""

ROUNDS = 5
"""Number of timings of each precision, of which the fastest counts: other work only slows them
down."""

log = logging.getLogger(__name__)


def warn_if_slow(precision: str, device: str) -> None:
    """Warn of a precision that the processor only emulates: it is meant for speed, and is slower.

    GPUs are not measured: those that train in 16 bits have units for it. Nor is JAX, whose compiler
    computes such steps in float32 and rounds.
    """
    if precision == "float32" or device != "cpu" or keras.config.backend() != "tensorflow":
        return
    times = slowdown(precision)
    if times >= SLOW:
        log.warning(
            "%s: on this processor a convolution and its gradients take %.1f times as long as in "
            "float32, so training will be slower. Leave `precision` out, or use a GPU.",
            precision,
            times,
        )


def slowdown(precision: str) -> float:
    """Time a convolution and its gradients relative to float32, at best of five, for 0.5 s."""
    dtypes = ("float32", keras.DTypePolicy(precision).compute_dtype)
    seconds: dict[str, list[float]] = {dtype: [] for dtype in dtypes}
    for _ in range(ROUNDS + 1):
        for dtype in dtypes:
            seconds[dtype].append(_convolved(dtype))
    # The first round also loads kernels.
    shortest = [min(seconds[dtype][1:]) for dtype in dtypes]
    return shortest[1] / shortest[0]


def _convolved(dtype: str) -> float:
    """Return the seconds of a forward and backward pass of a layer as in ResNet's second stage."""
    import tensorflow as tf

    pictures, kernel = (tf.ones(shape, dtype) for shape in ((8, 28, 28, 32), (3, 3, 32, 32)))
    began = time.perf_counter()
    with tf.GradientTape() as tape:
        tape.watch([pictures, kernel])
        total = tf.reduce_sum(tf.nn.conv2d(pictures, kernel, 1, "SAME"))
    for gradient in tape.gradient(total, [pictures, kernel]):
        gradient.numpy()  # waits for the result
    return time.perf_counter() - began


def set_precision(core: keras.Model, precision: str) -> None:
    """Make a network compute in another precision; its weights stay float32.

    Args:
        core: Network from normalized pixels to logits. The head stays in float32, so that the
            logits, of which the loss takes differences, are not rounded.
        precision: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``.
    """
    head = head_of(core)
    for layer in flat(core):
        layer.dtype_policy = "float32" if layer is head else precision


@contextmanager
def as_float32(core: keras.Model) -> Iterator[None]:
    """Make a network compute in float32 while the block runs, as the file does.

    Args:
        core: Network from normalized pixels to logits.
    """
    before = [(layer, layer.dtype_policy) for layer in flat(core)]
    for layer, _ in before:
        layer.dtype_policy = "float32"
    try:
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy
