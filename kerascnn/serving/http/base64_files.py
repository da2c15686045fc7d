"""Decodes base64, in the variants that clients send.

Knows: both alphabets, line breaks, missing padding, data URLs. Does not know the content.
"""

from __future__ import annotations

import binascii
from typing import Any

from kerascnn.serving.http.errors import HttpError

_PIECE = 65_536
"""Characters to decode at a time, a multiple of four: each call holds the interpreter lock, and
longer ones would block the event loop."""

_STANDARD = bytes.maketrans(b"-_", b"+/")
"""Translation of the URL-safe alphabet to the standard one."""

_SPACE = b" \t\r\n"
"""White space, including MIME's line breaks, which decoders must ignore (RFC 2045)."""


def read_base64(text: Any, what: str) -> bytes:
    """Decode base64, in the standard or the URL-safe alphabet; ``what`` names it in errors.

    Raises:
        HttpError: 400: not base64, or empty.
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
