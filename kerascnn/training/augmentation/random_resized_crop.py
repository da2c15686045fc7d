"""Random resized crops: a box of each picture, resized to the network's input size.

Knows: how a box becomes a picture inside the compiled step. Does not know: how boxes are drawn
(:mod:`.crop_boxes`), other augmentation.
"""

from __future__ import annotations

from typing import Any

from keras import ops


def crop(pictures: Any, boxes: Any, size: int) -> Any:
    """Crop and resize a box of each picture, inside the compiled step.

    Bilinear, with a filter that widens when downscaling, as in :mod:`kerascnn.images`. Each axis is
    a product with a weight matrix: the one way that is fast on TensorFlow and on JAX alike, where
    gathering pixels is not.

    Args:
        pictures: uint8 ``[batch, side, side, 3]``.
        boxes: float32 ``[batch, 4]``; see :data:`.crop_boxes.Boxes`.
        size: Size of the result, in pixels.

    Returns:
        uint8 ``[batch, size, size, 3]``.
    """
    side = pictures.shape[1]
    down = _weights(boxes[:, 0], boxes[:, 2], side, size)
    across = _weights(boxes[:, 1], boxes[:, 3], side, size)
    found = ops.cast(pictures, "float32")
    found = ops.einsum("bip,bpqc->biqc", down, found)
    found = ops.einsum("bjq,biqc->bijc", across, found)
    return ops.cast(ops.clip(ops.round(found), 0, 255), "uint8")


def _weights(start: Any, length: Any, side: int, size: int) -> Any:
    """Return the weights of an axis: float32 ``[batch, size, side]``, rows sum to 1."""
    scale = length * (side / size)
    places = ops.arange(size, dtype="float32") + 0.5
    middles = start[:, None] * side + places * scale[:, None]
    reach = ops.maximum(scale, 1.0)[:, None, None]
    pixels = ops.arange(side, dtype="float32") + 0.5
    distance = ops.absolute(pixels - middles[:, :, None]) / reach
    # Only pixels inside the box.
    first, last = start[:, None, None] * side, (start + length)[:, None, None] * side
    inside = ops.logical_and(pixels + 0.5 > first + 1e-3, pixels - 0.5 < last - 1e-3)
    weights = ops.maximum(1 - distance, 0.0) * ops.cast(inside, "float32")
    return weights / ops.sum(weights, axis=-1, keepdims=True)
