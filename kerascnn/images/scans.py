"""Refuses JPEG files with thousands of scans, which cost far more than their pixels.

Knows: the start-of-scan marker. Does not know how a scan is decoded.
"""

from __future__ import annotations

from PIL import Image

from kerascnn.errors import PictureError
from kerascnn.images.limits import MAX_SCANS

_START = b"\xff\xda"
"""Start-of-scan marker. In scan data 255 is followed by 0, so the marker occurs nowhere else,
except in thumbnails, where it does no harm."""

_READ = 1 << 20
"""Bytes to search at a time."""


def check_scans(image: Image.Image, name: str) -> None:
    """Refuse a JPEG with so many scans that decoding it would take minutes.

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
