"""Embeds pictures in a page.

Knows: PNG in ``data:`` URLs. Does not know what the pictures show.
"""

from __future__ import annotations

import base64
import io

from PIL import Image

from kerascnn.images import UInt8Array


def data_url(picture: UInt8Array) -> str:
    """Encode a picture as a ``data:`` URL: a lossless PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
