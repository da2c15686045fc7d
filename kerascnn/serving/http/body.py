"""Reading the body of a request, and no more of it than was agreed.

Knows: the limits of one body and of all together, and slow clients. Does not know what is in a
body.
"""

from __future__ import annotations

import asyncio
import io

from starlette.types import Receive, Scope

from kerascnn.serving.http.deadlines import Deadlines, expire_now
from kerascnn.serving.http.errors import ClientDisconnected, HttpError
from kerascnn.serving.metrics import Metrics

_ALL = 16
"""Bodies of the largest size that may be in memory at a time."""

_DRAIN_BYTES, _DRAIN_SECONDS = 64_000_000, 2.0
"""How much of a body that is refused is still taken, so that the client sees the answer: closing
at once would reset the connection, and the answer be lost."""

_DIGITS = 20
"""Digits of a number that is beyond any length."""


class BodyReader:
    """Reads bodies within limits.

    Args:
        max_body: Bytes of one.
        seconds: Within which one must have come in.
        metrics: Told how much is in memory.
    """

    def __init__(self, max_body: int, seconds: float, metrics: Metrics) -> None:
        self._max_body, self._seconds = max_body, seconds
        self._deadlines = Deadlines(seconds, expire_now)
        self._held, self._max_held = 0, _ALL * max_body
        metrics.body_bytes.set_function(lambda: self._held)

    async def read(self, scope: Scope, receive: Receive, held: BodyReservation) -> bytes:
        """Read a body.

        Raises:
            HttpError: 413: too large; 408: too slow; 503: too much is in memory; 400: a length
                that is none.
            ClientDisconnected: The client hung up.
        """
        self._check(parse_length(header_of(scope, b"content-length") or "") or 0)
        # Its memory grows with each piece: taking all of a large body's at the end keeps others
        # waiting for milliseconds, in which the system clears it.
        whole = io.BytesIO()
        limit = asyncio.timeout(None)
        self._deadlines.begin(limit)
        try:
            async with limit:
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnected
                    chunk = message.get("body", b"")
                    held.add(len(chunk))
                    self._check(held.size)
                    more = message.get("more_body", False)
                    if len(chunk) == held.size and not more:
                        return bytes(chunk)
                    whole.write(chunk)
        except TimeoutError as error:
            raise HttpError(
                408,
                f"the request was not received within {self._seconds:g} s.",
                close=True,
            ) from error
        finally:
            self._deadlines.end(limit)
        return whole.getvalue()

    def holding(self) -> BodyReservation:
        """Return a block within which what it is told of counts as held."""
        return BodyReservation(self)

    def hold(self, size: int) -> None:
        """Count bytes that are in memory from now on; below zero: no longer."""
        self._held += size

    def _check(self, length: int) -> None:
        if length > self._max_body:
            raise HttpError(
                413,
                f"a body of {length:,} bytes; expected at most {self._max_body:,}. "
                "Send a smaller picture, or fewer.",
                close=True,
            )
        self.check_held()

    def check_held(self) -> None:
        """Check that there is room for what is held.

        Raises:
            HttpError: 503: there is not.
        """
        if self._held > self._max_held:
            raise HttpError(
                503,
                "too many requests are being received at the same time. Try again.",
                retry_after=1,
                close=True,
            )


class BodyReservation:
    """A block within which the body of a request is in memory.

    Args:
        reader: Knows how much there is altogether.

    Attributes:
        size: Bytes of this one.
    """

    def __init__(self, reader: BodyReader) -> None:
        self._reader, self.size = reader, 0

    def __enter__(self) -> BodyReservation:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.hold(-self.size)

    def add(self, size: int) -> None:
        """Count more bytes."""
        self.size += size
        self._reader.hold(size)


async def drain(receive: Receive) -> None:
    """Read and drop the rest of a refused body, within limits."""
    taken = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while taken < _DRAIN_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def header_of(scope: Scope, name: bytes) -> str | None:
    """Return the value of a header, of several with one name the first."""
    for other, value in scope["headers"]:
        if other == name:
            return bytes(value).decode("latin-1")
    return None


def headers_of(scope: Scope, name: bytes) -> str:
    """Return the values of all headers of one name, which is in lower case, as one list."""
    found = [bytes(value).decode("latin-1") for other, value in scope["headers"] if other == name]
    return ", ".join(found)


def parse_length(text: str) -> int | None:
    """Read a length from a header.

    Returns:
        The number; None: it is none. One with very many digits is no error, only very large.
    """
    if not (text.isascii() and text.isdecimal()):
        return None
    if len(text) <= _DIGITS:
        return int(text)
    # Python refuses to read 4,300 digits or more.
    return int((text.lstrip("0") or "0")[:_DIGITS])
