"""Reads the header of a picture file, without decoding it.

Knows: Pillow's headers. Does not know whether the pixels are intact.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerascnn.images.decoding import opened


@dataclass(frozen=True)
class Header:
    """Header of a picture file.

    Attributes:
        format: Pillow's name of the format, e.g. ``JPEG``.
        mode: Pillow's mode, e.g. ``RGB``, ``L``, ``CMYK``, ``I;16``.
        width: Width in pixels, before EXIF rotation.
        height: Height in pixels, before EXIF rotation.
        frames: Number of frames or pages, from 1.
        transparent: Whether it has transparency of any kind.
    """

    format: str
    mode: str
    width: int
    height: int
    frames: int
    transparent: bool


def header_of(source: str | Path | bytes) -> dict[str, Any] | None:
    """Read the fields of a :class:`Header` in this thread; None if they cannot be read."""
    try:
        with opened(source) as image:
            return {
                "format": image.format or "",
                "mode": image.mode,
                "width": image.width,
                "height": image.height,
                "frames": getattr(image, "n_frames", 1),
                "transparent": image.has_transparency_data,
            }
    except Exception:  # noqa: BLE001 - a malicious file raises anything; `decode` reports it
        return None
