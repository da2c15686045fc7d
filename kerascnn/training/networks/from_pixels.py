"""The preprocessing of uint8 pictures for a network, in Keras.

Knows: the card's normalization as a layer, put before a network. Does not know: resizing, the same
arithmetic in ONNX (:mod:`kerascnn.training.export.preprocessing`); a test keeps the two equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from kerascnn.card import Normalization
from kerascnn.images import GRAY_WEIGHTS

PREDICT_BATCH = 256
"""Maximum number of pictures per call when no gradient is needed: as many of 128 x 128 pixels as
:data:`PREDICT_VALUES` allows."""

PREDICT_VALUES = 3 * 2**22
"""Maximum number of input values per call: 256 pictures of 224 x 224 are no faster than 64 and take
gigabytes, whose first touch alone takes seconds (docs/experiments.md)."""


class Normalize(layers.Layer):  # type: ignore[misc] # Keras has no types
    """``(pixel - mean) / std`` for each channel, in the network's channel order."""

    def __init__(self, normalization: Normalization) -> None:
        super().__init__(name="normalize", trainable=False)
        self._normalization = normalization

    def call(self, pixels: Any) -> Any:
        """Normalize float32 ``[batch, height, width, 3]`` in 0..255, RGB."""
        if self._normalization.channel_order == "BGR":
            pixels = ops.flip(pixels, axis=-1)
        channels = 3
        if self._normalization.channel_order == "grey":
            weighed = ops.sum(pixels * np.asarray(GRAY_WEIGHTS, np.float32), -1, keepdims=True)
            pixels, channels = ops.floor((weighed + 2.0**15) * 2.0**-16), 1
        mean = np.asarray(self._normalization.mean[:channels], np.float32)
        std = np.asarray(self._normalization.std[:channels], np.float32)
        return (pixels - mean) / std


def from_pixels(
    core: keras.Model, normalization: Normalization, augmentation: Sequence[layers.Layer] = ()
) -> keras.Model:
    """Prepend augmentation and normalization to a network.

    Args:
        core: Network from normalized float32 to logits. Its weights are shared, not copied.
        augmentation: Layers that act on float32 pixels in 0..255 in training.

    Returns:
        A model from uint8 ``[batch, size, size, 3]``, RGB, to logits.
    """
    # Pictures have three channels, also for a network that takes one.
    shape = (*core.input_shape[1:3], 3)
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = layers.Rescaling(1.0, name="to_float")(pixels)
    for layer in augmentation:
        x = layer(x)
    prepare = keras.Model(pixels, Normalize(normalization)(x), name="prepare")
    image = keras.Input(shape, dtype="uint8", name="image")
    return keras.Model(image, core(prepare(image)), name="from_pixels")


def predict_logits(
    model: keras.Model,
    pictures: npt.NDArray[np.uint8],
    progress: Callable[[int], object] = lambda _done: None,
) -> npt.NDArray[np.float32]:
    """Run a model of :func:`from_pixels` over many pictures.

    Args:
        pictures: uint8 ``[pictures, size, size, 3]``.

    Returns:
        float32 ``[pictures, classes]``.
    """
    return run_in_batches(model, [pictures], progress)


def at_size(pictures: Any, size: int) -> Any:
    """Resize pictures that are stored larger for random crops to a network's input size.

    Args:
        pictures: uint8 ``[pictures, side, side, 3]``.

    Returns:
        uint8 ``[pictures, size, size, 3]``; the same array if it has that size.
    """
    if pictures.shape[1] == size:
        return pictures
    resized = ops.image.resize(pictures, (size, size), antialias=True)
    return ops.cast(ops.clip(ops.round(resized), 0, 255), "uint8")


def run_in_batches(
    model: keras.Model,
    parts: Sequence[npt.NDArray[np.uint8]],
    progress: Callable[[int], object] = lambda _done: None,
) -> npt.NDArray[np.float32]:
    """Run a model over pictures in several arrays.

    Args:
        model: Model from pictures, or other inputs, to ``[batch, outputs]``.
        parts: Arrays of pictures, uint8 ``[pictures, size, size, 3]``, or of the model's other
            inputs.

    Returns:
        float32 ``[pictures of all parts, outputs]``, in order.
    """
    total, done = sum(map(len, parts)), 0
    found = np.empty((0, 0), np.float32)
    for pictures, count in uniform_batches(parts):
        outputs = model.predict_on_batch(pictures)[:count]
        if not done:  # allocated once: a list of parts would take twice the memory
            found = np.empty((total, *outputs.shape[1:]), np.float32)
        found[done : done + count] = outputs
        done += count
        progress(done)
    return found


def uniform_batches(
    parts: Sequence[npt.NDArray[np.uint8]],
) -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
    """Divide the pictures of several arrays into batches of one shape.

    Each new batch size costs another trace of the network, and on JAX another compilation, which
    for ResNet50 takes longer than a hundred pictures. So all batches have one size, and the last is
    padded, with fewer pictures than there are batches.

    Args:
        parts: Arrays ``[pictures, ...]``.

    Yields:
        The pictures of a batch, and how many of them are not padding.
    """
    total = sum(len(part) for part in parts)
    most = max_batch_size(parts[0].shape[1:])
    calls = -(-total // most)
    batch = -(-total // calls)
    for start in range(0, total, batch):
        pictures = _rows(parts, start, start + batch)
        count = len(pictures)
        if count < batch:
            pictures = np.concatenate([pictures, np.repeat(pictures[-1:], batch - count, axis=0)])
        yield pictures, count


def max_batch_size(shape: tuple[int, ...]) -> int:
    """Return the maximum number of pictures of a shape per call when no gradient is needed."""
    return max(1, min(PREDICT_BATCH, PREDICT_VALUES // math.prod(shape)))


def _rows(parts: Sequence[npt.NDArray[np.uint8]], start: int, end: int) -> npt.NDArray[np.uint8]:
    found, before = [], 0
    for part in parts:
        rows = part[max(0, start - before) : max(0, end - before)]
        if len(rows):
            found.append(rows)
        before += len(part)
    return found[0] if len(found) == 1 else np.concatenate(found)
