"""Bodies that are compressed on their way (``Content-Encoding``, ``Accept-Encoding``).

Knows: gzip and deflate (RFC 9110, section 8.4), and that a few bytes can become very many. Does not
know what is in a body.
"""

from __future__ import annotations

import gzip
import zlib

from starlette.responses import Response

from kerascnn.serving.http.errors import HttpError

WORTH = 16_384
"""Bytes of an answer below which compressing costs more than it saves."""

_IDENTITY = frozenset({"", "identity"})
"""Values of Content-Encoding that mean: not compressed."""

_ANY_HEADER = zlib.MAX_WBITS | 32
"""gzip's header, or zlib's."""


def check_encoding(encoding: str) -> bool:
    """Return whether a body must be decompressed.

    Args:
        encoding: Value of ``Content-Encoding``; empty: it was not sent.

    Raises:
        HttpError: 415: by a method that is not known, or by several.
    """
    method = encoding.strip().lower()
    if method in _IDENTITY:
        return False
    if method in ("gzip", "x-gzip", "deflate"):
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
        content, rest, whole = _inflate(body, most, _ANY_HEADER)
    except zlib.error:
        try:
            content, rest, whole = _inflate(body, most, -zlib.MAX_WBITS)
        except zlib.error as error:
            raise HttpError(400, f"the body is not compressed as it says ({error}).") from error
    if len(content) > most:
        raise HttpError(
            413, f"the body becomes more than {most:,} bytes. Send a smaller picture, or fewer."
        )
    if not whole or rest:
        raise HttpError(400, "the compressed body is not whole, or something follows it.")
    return content


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


def _inflate(body: bytes, most: int, bits: int) -> tuple[bytes, bytes, bool]:
    inflating = zlib.decompressobj(bits)
    content = inflating.decompress(body, most + 1)
    return content, inflating.unused_data, inflating.eof


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
