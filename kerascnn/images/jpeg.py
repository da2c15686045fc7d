"""Decodes JPEG with simplejpeg, if it is installed and gives the same pixels as Pillow.

Knows: simplejpeg, the files that it is used for, and the check against Pillow. Does not know
errors: Pillow decodes everything else, and reports errors.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

_FORMATS = ("JPEG", "MPO")
"""Formats to decode. MPO is a JPEG followed by further ones, of which only the first is used."""

_PLAIN = ("YCbCr", "Gray")
"""Color spaces that both libraries leave entirely to libjpeg-turbo."""

_SAMPLINGS = ("444", "422", "420", "440", "411")
"""Chroma subsampling of the generated pictures on which simplejpeg must agree with Pillow."""

_LARGEST = 64 << 20
"""Largest file, in bytes: simplejpeg needs it in memory, while Pillow reads it in pieces."""


def quick_pixels(image: Image.Image) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG with simplejpeg.

    Args:
        image: Image opened by Pillow, not loaded, with its size checked.

    Returns:
        uint8 ``[height, width, 3]``, RGB, before EXIF rotation, equal to Pillow's; or None if
        Pillow must decode it: another format or color space, any defect in the file, no simplejpeg,
        or one that differs from Pillow.
    """
    if image.format not in _FORMATS or image.mode not in ("RGB", "L"):
        return None
    decoder = quick_decoder()
    file = getattr(image, "fp", None)
    if decoder is None or file is None:
        return None
    file.seek(0)
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        return None
    try:
        height, width, colors, _ = decoder.decode_jpeg_header(data)
        # If a header contains two sizes, the limit of pixels was checked for Pillow's.
        if colors not in _PLAIN or (width, height) != image.size:
            return None
        pixels: npt.NDArray[np.uint8] = decoder.decode_jpeg(data, "RGB", strict=True)
    except ValueError:  # also for truncated or damaged files, which Pillow may still decode
        return None
    return pixels


@cache
def quick_decoder() -> Any:
    """Import simplejpeg, and check that it decodes like Pillow on this machine.

    Each bundles its own libjpeg-turbo. Versions that decode differently also differ on the small
    generated pictures below.
    """
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg if all(_agree(simplejpeg, name) for name in _SAMPLINGS) else None


def _agree(decoder: Any, sampling: str) -> bool:
    # Odd sizes, saturated colors and each kind of upsampling, where versions have differed.
    numbers = np.arange(37 * 45 * 3, dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(9)
    noise = (numbers & np.uint64(255)).astype(np.uint8).reshape(37, 45, 3)
    file = decoder.encode_jpeg(noise, quality=80, colorsubsampling=sampling)
    with Image.open(io.BytesIO(file), formats=["JPEG"]) as image:
        return np.array_equal(np.asarray(image), decoder.decode_jpeg(file, "RGB"))
