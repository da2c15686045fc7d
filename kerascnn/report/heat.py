"""Heat over a picture.

Knows: arrays, one scale of colors, Pillow's resizing. Does not know where heat comes from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn.images import UInt8Array

SHOWN = 224
"""Pixels along a side; smaller pictures are enlarged, so that heat over them can be seen."""

_STRONGEST = 0.7
"""How far the warmest place is covered by color; the coldest is the picture itself."""

_SCALE = np.array(
    [
        [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85],
        [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164],
    ]
)  # fmt: skip
"""Nine steps of matplotlib's `inferno` (CC0): even for the eye, and for those who see no red."""


def colors(heat: npt.NDArray[np.floating]) -> UInt8Array:
    """Turn ``[height, width]`` of 0 to 1 into colors, from black over red to light yellow.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    steps = np.linspace(0, 1, len(_SCALE))
    channels = [np.interp(heat, steps, channel) for channel in _SCALE.T]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


def overlay(picture: UInt8Array, heat: npt.NDArray[np.floating]) -> UInt8Array:
    """Overlay a heat map on a picture.

    Args:
        picture: uint8 ``[height, width, 3]``.
        heat: ``[rows, columns]``, 0 to 1; enlarged smoothly to the picture.

    Returns:
        uint8, as large as :func:`enlarged` makes the picture.
    """
    large = enlarged(picture)
    height, width = large.shape[:2]
    smooth = Image.fromarray(heat.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    strength = np.clip(np.asarray(smooth), 0, 1)
    share = _STRONGEST * strength[:, :, None]
    mixed = np.rint(large * (1 - share) + colors(strength) * share)
    return np.asarray(mixed, np.uint8)


def enlarged(picture: UInt8Array, shown: int = SHOWN) -> UInt8Array:
    """Repeat the pixels of a small picture until it is large enough to be looked at.

    Args:
        picture: uint8 ``[height, width, 3]`` or ``[height, width]``.
        shown: Pixels that the longer side should have at least.
    """
    times = max(1, -(-shown // max(picture.shape[:2])))
    return picture.repeat(times, axis=0).repeat(times, axis=1)
