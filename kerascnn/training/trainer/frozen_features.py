"""Training the head alone on features that are computed once.

Knows: where a network is cut, and when caching gives the same result as ordinary training. Does not
know: the loop over epochs.

With only the head trainable, everything before it is a fixed function of the picture: the frozen
part runs in inference mode, without dropout. Without augmentation each picture passes through it
once; with augmentation the pictures differ in every epoch, so it runs in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers

from kerascnn.card import Normalization
from kerascnn.training.data.pack import Pack
from kerascnn.training.networks.blocks import blocks, head_of
from kerascnn.training.networks.from_pixels import from_pixels, run_in_batches
from kerascnn.training.trainer.precise_batchnorm import moving


class FrozenFeaturesHead(keras.Model):  # type: ignore[misc] # Keras has no types
    """The head, and the dropout right before it. Shares its layers with the network."""

    def __init__(self, chain: list[layers.Layer]) -> None:
        super().__init__(name="tail")
        self.chain = chain
        self.built = True  # its layers are built; JAX checks this before it trains the head alone

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Compute logits ``[batch, classes]`` from features ``[batch, features]``."""
        for layer in self.chain:
            x = layer(x, training=training) if isinstance(layer, layers.Dropout) else layer(x)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Return ``[batch, classes]``."""
        return (input_shape[0], self.chain[-1].units)


class InferenceOnly(layers.Layer):  # type: ignore[misc] # Keras has no types
    """A model that always runs in inference mode, whatever runs around it."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="fixed", trainable=False)
        self.model = model

    def call(self, x: Any) -> Any:
        """Run the model without dropout and with its moving statistics."""
        return self.model(x, training=False)


def trains_head_only(core: keras.Model) -> bool:
    """Return whether only the head is trained, and no other state, such as statistics, changes.

    Args:
        core: Network from normalized pixels to logits, after ``set_trainable``.
    """
    *others, head = blocks(core)
    return head.trainable and not any(block.trainable for block in others) and not moving(core)


def split(core: keras.Model) -> tuple[keras.Model, FrozenFeaturesHead]:
    """Split a network before its head and the dropout in front of it, sharing its layers."""
    chain = [head_of(core)]
    before = chain[0].input
    while isinstance(before._keras_history.operation, layers.Dropout):
        chain.insert(0, before._keras_history.operation)
        before = chain[0].input
    return keras.Model(core.inputs[0], before, name="features"), FrozenFeaturesHead(chain)


def head_training_model(core: keras.Model) -> keras.Model:
    """Make the model that trains the head without cached features; the rest only infers."""
    features, tail = split(core)
    image = keras.Input(core.input_shape[1:], name="pixels")
    return keras.Model(image, tail(InferenceOnly(features)(image)), name=core.name)


def with_features(
    packs: Sequence[Pack],
    features: keras.Model,
    normalization: Normalization,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> list[Pack]:
    """Compute the features of every picture once.

    Args:
        packs: Pictures, uint8 ``[pictures, size, size, 3]``; all packs in one call, because the
            network is compiled for each batch shape.

    Returns:
        The same packs with float32 ``[pictures, features]`` in place of the pictures.
    """
    total = sum(map(len, packs))
    found = run_in_batches(
        from_pixels(features, normalization),
        [pack.images for pack in packs],
        lambda done: progress(done, total),
    )
    ends = np.cumsum([len(pack) for pack in packs])[:-1]
    parts: list[Any] = np.split(found, ends)
    return [replace(pack, images=part) for pack, part in zip(packs, parts, strict=True)]
