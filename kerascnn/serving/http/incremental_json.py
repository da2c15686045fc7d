"""Reads and writes JSON of any length in short steps.

Knows: msgspec, and that it holds the interpreter lock, so long arrays of numbers are processed a
few thousand at a time. Does not know the meaning of a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kerascnn.printable import printable_json
from kerascnn.serving.http.errors import HttpError

_STEP = 262_144
"""Bytes to scan at a time, which takes about 3 ms."""

_VALUES = 2048
"""Values to write at a time, which takes about 0.1 ms."""

_MAX_ELEMENTS = 65_536
"""Maximum elements of an array to split in one call, which takes about 2 ms."""

_PARTS = msgspec.json.Decoder(list[msgspec.Raw])

_FILE = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|BM|II\*\0|MM\0\*|--", re.DOTALL)
"""Beginnings of pictures and of forms."""


def not_json(text: bytes, what: str, error: Exception) -> HttpError:
    """Return the error for a body that cannot be parsed, and what to do with a picture."""
    message = f"{what} ({reason_of(error)})."
    if _FILE.match(text):
        message += (
            " A picture's file, as it is or in a form, is for /v1/models/NAME/predict; in JSON it "
            "is sent in base64."
        )
    return HttpError(400, message)


def reason_of(error: Exception) -> str:
    """Return the message of a parser's error."""
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def split_list(text: bytes, most: int) -> list[msgspec.Raw]:
    """Split an array into its elements, without decoding them.

    Args:
        text: A JSON document.
        most: Maximum elements: each becomes an object, and there may be millions.

    Raises:
        ValueError: Not an array, or one with more elements; or a long one that contains texts and
            very many other values.
        msgspec.DecodeError: Not JSON.
    """
    if not _has_many(text):
        elements = _PARTS.decode(text)
    elif b'"' in text or text[:1] != b"[" or text[-1:] != b"]":
        raise ValueError("no array, or one of texts and of too many other values")
    else:
        cuts = [0, *_cuts(text, most), len(text) - 1]
        elements = [msgspec.Raw(text[a + 1 : b].strip()) for a, b in pairwise(cuts)]
    if len(elements) > most:
        raise ValueError(f"more than {most:,} elements")
    return elements


def _has_many(text: bytes) -> bool:
    """Return whether there may be too many elements to decode in one call."""
    commas = 0
    for start in range(0, len(text), _STEP):
        commas += text.count(b",", start, start + _STEP)
        if commas >= _MAX_ELEMENTS:
            return True
    return False


def _cuts(text: bytes, most: int) -> list[int]:
    """Find the commas between the elements of an array of numbers or arrays."""
    cuts: list[int] = []
    depth = 0
    for start in range(0, len(text), _STEP):
        codes = np.frombuffer(text, np.uint8, min(_STEP, len(text) - start), start)
        opened = (codes == ord("[")).astype(np.int32) - (codes == ord("]"))
        depths = depth + np.cumsum(opened)
        cuts += (start + np.flatnonzero((codes == ord(",")) & (depths == 1))).tolist()
        depth = int(depths[-1])
        if len(cuts) > most:
            break
    return cuts


def write_json(value: Any) -> bytes:
    """Serialize a short value."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, which is escaped
        return json.dumps(value, allow_nan=False).encode()


def write_with_names(value: Any) -> bytes:
    """Serialize a value that contains file names, with unprintable characters escaped.

    Numbers must be finite.
    """
    return printable_json(write_json(value).decode()).encode()


def write_values(values: npt.NDArray[np.float32] | list[str]) -> Iterator[bytes]:
    """Serialize the values of a tensor as a flat array; refuse those that are not finite.

    Raises:
        HttpError: 422: a value is not finite, which JSON cannot represent.
    """
    flat = values if isinstance(values, list) else values.ravel()
    if not isinstance(flat, list) and not np.isfinite(flat).all():
        raise HttpError(422, "the network's output for a picture is not finite (NaN or infinite).")
    yield b"["
    for start in range(0, len(flat), _VALUES):
        piece = flat[start : start + _VALUES]
        plain = piece if isinstance(piece, list) else piece.tolist()
        yield (b"," if start else b"") + msgspec.json.encode(plain)[1:-1]
    yield b"]"
