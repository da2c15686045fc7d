"""Bodies that are compressed on their way (``Content-Encoding``, ``Accept-Encoding``).

Knows: gzip and deflate (RFC 9110, section 8.4), and that a few bytes can become very many. Does not
know what is in a body.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib

from starlette.responses import Response

from kerascnn.serving.http.errors import HttpError

WORTH = 16_384
"""Bytes of an answer below which compressing costs more than it saves."""

_IDENTITY = frozenset({"", "identity"})
"""Values of Content-Encoding that mean: not compressed."""

_GZIP, _MEMBERS = b"\x1f\x8b", 10_000
"""How a member of gzip begins, and how many there may be."""

_PIECE = 65_536
"""Bytes that are inflated at a time."""

_ANY_HEADER = zlib.MAX_WBITS | 32
"""gzip's header, or zlib's."""


def check_encoding(encoding: str) -> bool:
    """Return whether a body must be decompressed.

    Args:
        encoding: Value of ``Content-Encoding``, of several headers joined by commas; empty: it was
            not sent.

    Raises:
        HttpError: 415: by a method that is not known, or by several.
    """
    if not encoding:  # most requests
        return False
    methods = [one for one in re.split(r"[\s,]+", encoding.lower()) if one not in _IDENTITY]
    if not methods:
        return False
    if len(methods) == 1 and methods[0] in ("gzip", "x-gzip", "deflate"):
        return True
    raise HttpError(
        415,
        f"Content-Encoding is {encoding[:40]!r}; expected gzip, deflate or none.",
        headers={"Accept-Encoding": "gzip, deflate"},
        close=True,
    )


def decompress(body: bytes, most: int) -> bytes:
    """Decompress a body.

    Args:
        body: As gzip or zlib made it, or raw deflate, as some clients send it.
        most: Largest size after decompression, in bytes.

    Raises:
        HttpError: 413: it becomes more; 400: it is not compressed, or not the whole of it came.
    """
    try:
        return _inflate(body, most, _ANY_HEADER)
    except zlib.error:
        try:
            return _inflate(body, most, -zlib.MAX_WBITS)
        except zlib.error as error:
            raise HttpError(400, f"the body is not compressed as it says ({error}).") from error


def compressed(response: Response, accepted: str) -> Response:
    """Compress an answer, if its client takes that and it is worth while.

    Args:
        response: All of it.
        accepted: Value of ``Accept-Encoding``.
    """
    response.raw_headers.append((b"vary", b"Accept-Encoding"))
    content = bytes(response.body)
    method = _choose(accepted) if len(content) >= WORTH else None
    if method is None:
        return response
    # The quickest level: the time is the server's, and numbers do not shrink much more.
    response.body = gzip.compress(content, 1) if method == "gzip" else zlib.compress(content, 1)
    response.headers["Content-Encoding"] = method
    response.headers["Content-Length"] = str(len(response.body))
    return response


def _inflate(body: bytes, most: int, bits: int) -> bytes:
    """Inflate a piece at a time; gzip may have several members (RFC 1952, 2.2), and zeros behind.

    Raises:
        HttpError: As :func:`decompress`.
        zlib.error: Not compressed in this way.
    """
    content, view, place = io.BytesIO(), memoryview(body), 0
    for _ in range(_MEMBERS):
        inflating = zlib.decompressobj(bits)
        while not inflating.eof and place < len(body):
            piece = view[place : place + _PIECE]
            content.write(inflating.decompress(piece, most + 1 - content.tell()))
            place += len(piece) - len(inflating.unconsumed_tail) - len(inflating.unused_data)
            if content.tell() > most:
                raise HttpError(
                    413,
                    f"the body becomes more than {most:,} bytes. Send a smaller picture, or fewer.",
                )
        if not inflating.eof or bits < 0 or not body.startswith(_GZIP, place):
            break
    if not inflating.eof or body[place : place + _PIECE].strip(b"\0") or len(body) - place > _PIECE:
        raise HttpError(400, "the compressed body is incomplete, or other data follows it.")
    return content.getvalue()


def _choose(accepted: str) -> str | None:
    """Choose what is liked best; of equals gzip."""
    likings: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, options = part.partition(";")
        likings[name.strip()] = _liking(options)
    found = {name: likings.get(name, likings.get("*", 0.0)) for name in ("gzip", "deflate")}
    best = max(found, key=lambda name: found[name])
    return best if found[best] > 0 else None


def _liking(options: str) -> float:
    key, _, value = options.strip().partition("=")
    if key.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
