"""The arithmetic inside a network while it is trained.

Knows: Keras' dtype policies. Does not know: export's precision (:mod:`.export.precision`), which
is about the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from kerascnn.training.scope import flat, head_of


def set_precision(core: keras.Model, precision: str) -> None:
    """Let a network calculate in another precision; its weights stay float32.

    Args:
        core: From normalised pixels to logits. The head stays in float32, so that the logits, of
            which the loss takes differences, are not rounded.
        precision: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``.
    """
    head = head_of(core)
    for layer in flat(core):
        layer.dtype_policy = "float32" if layer is head else precision


@contextmanager
def in_float32(core: keras.Model) -> Iterator[None]:
    """Give a network float32 for a while, as the file shall have it.

    Args:
        core: From normalised pixels to logits.

    Yields:
        While every layer of it has the policy ``float32``.
    """
    before = [(layer, layer.dtype_policy) for layer in flat(core)]
    for layer, _ in before:
        layer.dtype_policy = "float32"
    try:
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy
