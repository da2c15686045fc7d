"""JPEG files that cost far more than their pixels: thousands of scans over the same picture.

Knows: where a scan begins in a file. Does not know how it is decoded.
"""

from __future__ import annotations

from PIL import Image

from kerascnn.errors import PictureError
from kerascnn.images.limits import MAX_SCANS

_START = b"\xff\xda"
"""The marker. In the data of a scan 255 is followed by 0, so it is nowhere else; thumbnails have
one of their own, which does not matter."""

_READ = 1 << 20
"""Bytes searched at a time."""


def check_scans(image: Image.Image, name: str) -> None:
    """Refuse a JPEG with so many scans that decoding it takes minutes.

    Raises:
        PictureError: It has too many.
    """
    file = getattr(image, "fp", None)
    if image.format not in ("JPEG", "MPO") or file is None:
        return
    scans, position, before = 0, file.tell(), b""
    file.seek(0)
    while chunk := file.read(_READ):
        scans += (before + chunk).count(_START)
        before = chunk[-1:] if chunk.endswith(_START[:1]) else b""
    file.seek(position)
    if scans * image.width * image.height > MAX_SCANS:
        raise PictureError(
            f"{name}: {image.width} x {image.height} in {scans:,} scans takes too long to decode. "
            "Save it again, with fewer scans."
        )
