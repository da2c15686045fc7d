"""Decoding JPEG with simplejpeg, if it is installed and gives the same bytes as Pillow.

Knows: simplejpeg, which files it is asked for, and how it is held to Pillow. Does not know
errors: for all that is not plain, Pillow decides, as where simplejpeg is missing.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

_FORMATS = ("JPEG", "MPO")
"""MPO: a JPEG, which is what counts, with others behind it."""

_PLAIN = ("YCbCr", "Gray")
"""How pixels are coded where both libraries leave everything to libjpeg-turbo."""

_SAMPLINGS = ("444", "422", "420", "440", "411")
"""Chroma subsampling of the generated pictures on which simplejpeg must agree with Pillow."""

_LARGEST = 64 << 20
"""Bytes of a file: simplejpeg wants it whole in memory, and Pillow reads it bit by bit."""


def quick_pixels(image: Image.Image) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG with simplejpeg.

    Args:
        image: As Pillow opened it, not loaded, its size within limits.

    Returns:
        uint8 ``[height, width, 3]``, RGB, not yet upright, equal to what Pillow would give; or
        None, where Pillow must be asked: another format or colors, a file with the slightest
        fault, no simplejpeg, or one that differs.
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
        # Of a header that says two sizes, Pillow checked one against the limit of pixels.
        if colors not in _PLAIN or (width, height) != image.size:
            return None
        pixels: npt.NDArray[np.uint8] = decoder.decode_jpeg(data, "RGB", strict=True)
    except ValueError:  # of a truncated or damaged file too, of which Pillow may make something
        return None
    return pixels


@cache
def quick_decoder() -> Any:
    """Import simplejpeg, and see that it decodes as Pillow does here.

    Both hold a libjpeg-turbo of their own. As long as those agree so do all pictures; one of
    another version may not, and then the small pictures below differ too.
    """
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg if all(_agree(simplejpeg, name) for name in _SAMPLINGS) else None


def _agree(decoder: Any, sampling: str) -> bool:
    # Odd sizes, strong colors, and each kind of upsampling: where versions differed before.
    numbers = np.arange(37 * 45 * 3, dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(9)
    noise = (numbers & np.uint64(255)).astype(np.uint8).reshape(37, 45, 3)
    file = decoder.encode_jpeg(noise, quality=80, colorsubsampling=sampling)
    with Image.open(io.BytesIO(file), formats=["JPEG"]) as image:
        return np.array_equal(np.asarray(image), decoder.decode_jpeg(file, "RGB"))
