"""Files of pictures as text: base64, as clients write it.

Knows: both alphabets, line breaks, missing padding, data URLs. Does not know what is in a file.
"""

from __future__ import annotations

import binascii
from typing import Any

from kerascnn.serving.http.errors import HttpError

_PIECE = 65_536
"""Characters at a time, four to three bytes: nobody waits for a thread that is inside of one."""

_STANDARD = bytes.maketrans(b"-_", b"+/")
"""The URL-safe alphabet, as the standard one."""

_SPACE = b" \t\r\n"
"""Line breaks of MIME, which decoders must ignore (RFC 2045)."""


def read_base64(text: Any, what: str) -> bytes:
    """Read a file that was sent as text.

    Args:
        text: As JSON had it: base64 of the standard alphabet or that of URLs.
        what: What it is, for error messages.

    Raises:
        HttpError: 400: no base64, or none of anything.
    """
    if not isinstance(text, str) or not text.isascii():
        raise HttpError(400, f"{what} is not base64; expected ASCII text.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    pieces = (text[start : start + _PIECE].encode() for start in range(0, len(text), _PIECE))
    plain = b"".join(piece.translate(_STANDARD, _SPACE) for piece in pieces).rstrip(b"=")
    plain += b"=" * (-len(plain) % 4)
    try:
        content = b"".join(
            binascii.a2b_base64(plain[start : start + _PIECE], strict_mode=True)
            for start in range(0, len(plain), _PIECE)
        )
    except binascii.Error as error:
        raise HttpError(400, f"{what} is not base64 ({error}).") from error
    if not content:
        raise HttpError(400, f"{what} is empty; expected an image file in base64.")
    return content
