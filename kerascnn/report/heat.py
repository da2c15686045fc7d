"""Overlays heat maps on pictures.

Knows: arrays, a color scale, Pillow's resizing. Does not know where heat maps come from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn.images import UInt8Array

SHOWN = 224
"""Minimum longer side in pixels; smaller pictures are enlarged, so that the heat map is visible."""

_STRONGEST = 0.7
"""Opacity of the color at the maximum of a heat map; it is 0 at the minimum."""

_SCALE = np.array(
    [
        [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85],
        [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164],
    ]
)  # fmt: skip
"""Nine steps of matplotlib's `inferno` (CC0), perceptually uniform also for color-blind readers."""


def colors(heat: npt.NDArray[np.floating]) -> UInt8Array:
    """Map ``[height, width]``, 0 to 1, to uint8 colors from black over red to light yellow."""
    steps = np.linspace(0, 1, len(_SCALE))
    channels = [np.interp(heat, steps, channel) for channel in _SCALE.T]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


def overlay(picture: UInt8Array, heat: npt.NDArray[np.floating]) -> UInt8Array:
    """Overlay a heat map on a picture.

    Args:
        picture: uint8 ``[height, width, 3]``.
        heat: ``[rows, columns]``, 0 to 1; enlarged smoothly to the picture.

    Returns:
        uint8, in the size of the :func:`enlarged` picture.
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
    """Enlarge a small picture by repeating its pixels.

    Args:
        picture: uint8 ``[height, width, 3]`` or ``[height, width]``.
        shown: Minimum longer side, in pixels.
    """
    times = max(1, -(-shown // max(picture.shape[:2])))
    return picture.repeat(times, axis=0).repeat(times, axis=1)
