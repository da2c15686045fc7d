"""Compression of bodies (``Content-Encoding``, ``Accept-Encoding``).

Knows: gzip and deflate (RFC 9110, section 8.4), and decompression bombs. Does not know the content
of a body.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib

from starlette.responses import Response

from kerascnn.serving.http.errors import HttpError

MIN_BYTES = 16_384
"""Response size in bytes below which compression costs more than it saves."""

_IDENTITY = frozenset({"", "identity"})
"""Values of Content-Encoding for uncompressed bodies."""

_GZIP, _MEMBERS = b"\x1f\x8b", 10_000
"""Magic bytes of a gzip member, and maximum number of members: empty ones take 2.5 microseconds
each."""

_PIECE = 65_536
"""Compressed bytes to inflate at a time: zlib copies those that do not fit into its output."""

_ANY_HEADER = zlib.MAX_WBITS | 32
"""``wbits`` for automatic detection of a gzip or zlib header."""


def check_encoding(encoding: str) -> bool:
    """Return whether a body with this ``Content-Encoding`` is compressed; refuse unknown ones.

    Raises:
        HttpError: 415: unknown method, or several methods.
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
    """Decompress gzip, zlib or raw deflate, which some clients send, to at most ``most`` bytes.

    Raises:
        HttpError: 413: it is larger; 400: it is not compressed, or incomplete.
    """
    try:
        return _inflate(body, most, _ANY_HEADER)
    except zlib.error:
        try:
            return _inflate(body, most, -zlib.MAX_WBITS)
        except zlib.error as error:
            raise HttpError(
                400, f"the body is not compressed as Content-Encoding says ({error})."
            ) from error


def compressed(response: Response, accepted: str) -> Response:
    """Compress a response, if the client's ``Accept-Encoding`` allows it and it is worthwhile."""
    response.raw_headers.append((b"vary", b"Accept-Encoding"))
    content = bytes(response.body)
    method = _choose(accepted) if len(content) >= MIN_BYTES else None
    if method is None:
        return response
    # The fastest level: it costs the server time, and numbers hardly shrink further.
    response.body = gzip.compress(content, 1) if method == "gzip" else zlib.compress(content, 1)
    response.headers["Content-Encoding"] = method
    response.headers["Content-Length"] = str(len(response.body))
    return response


def _inflate(body: bytes, most: int, bits: int) -> bytes:
    """Inflate in pieces; gzip may have several members (RFC 1952, 2.2) and trailing zeros."""
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
                    f"the body decompresses to more than {most:,} bytes. Send a smaller picture, "
                    "or fewer.",
                )
        if not inflating.eof or bits < 0 or not body.startswith(_GZIP, place):
            break
    if not inflating.eof or body[place : place + _PIECE].strip(b"\0") or len(body) - place > _PIECE:
        raise HttpError(400, "the compressed body is incomplete, or other data follows it.")
    return content.getvalue()


def _choose(accepted: str) -> str | None:
    """Choose the method with the highest quality value; gzip if equal."""
    qualities: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, options = part.partition(";")
        qualities[name.strip()] = _quality_value(options)
    found = {name: qualities.get(name, qualities.get("*", 0.0)) for name in ("gzip", "deflate")}
    best = max(found, key=lambda name: found[name])
    return best if found[best] > 0 else None


def _quality_value(options: str) -> float:
    key, _, value = options.strip().partition("=")
    if key.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
