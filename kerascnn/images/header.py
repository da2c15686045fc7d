"""What a picture's file says about itself before anything is decoded.

Knows: Pillow's headers. Does not know whether the pixels that follow are whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerascnn.images.decoding import opened


@dataclass(frozen=True)
class Header:
    """Header of one file.

    Attributes:
        format: As Pillow calls it, e.g. ``JPEG``.
        mode: As Pillow calls it, e.g. ``RGB``, ``L``, ``CMYK``, ``I;16``.
        width: In pixels, before any rotation by EXIF.
        height: In pixels, likewise.
        frames: 1; more for an animation or a file of several pages.
        transparent: Whether it holds transparency of any kind.
    """

    format: str
    mode: str
    width: int
    height: int
    frames: int
    transparent: bool


def header_of(source: str | Path | bytes) -> dict[str, Any] | None:
    """Read a picture's header, in this thread.

    Returns:
        The fields of :class:`Header`, or None when it cannot be read (decoding will say why).
    """
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
    except Exception:  # noqa: BLE001 - hostile bytes raise anything; `decode` reports them
        return None
