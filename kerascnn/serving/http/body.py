"""Reads request bodies within limits of size, time and memory.

Knows: the limits of one body and of all together, and slow clients. Does not know the content of a
body.
"""

from __future__ import annotations

import asyncio
import io

from starlette.types import Receive, Scope

from kerascnn.serving.http.deadlines import Deadlines, expire_now
from kerascnn.serving.http.errors import ClientDisconnected, HttpError
from kerascnn.serving.metrics import Metrics

_MAX_BODIES = 16
"""Limit of all bodies in memory, as a multiple of the largest body: 256 MB by default."""

_DRAIN_BYTES, _DRAIN_SECONDS = 64_000_000, 2.0
"""Limits up to which the rest of a refused body is read: closing immediately would reset the
connection, and the client would lose the response."""

_DIGITS = 20
"""Maximum digits to parse of a length; a number with more is larger than any body."""


class BodyReader:
    """Reads bodies within limits: ``max_body`` bytes and ``seconds`` for each."""

    def __init__(self, max_body: int, seconds: float, metrics: Metrics) -> None:
        self._max_body, self._seconds = max_body, seconds
        self._deadlines = Deadlines(seconds, expire_now)
        self._held, self._max_held = 0, _MAX_BODIES * max_body
        metrics.body_bytes.set_function(lambda: self._held)

    async def read(self, scope: Scope, receive: Receive, held: BodyReservation) -> bytes:
        """Read a body.

        Raises:
            HttpError: 413: too large; 408: too slow; 503: too many bytes in memory.
            ClientDisconnected: The client disconnected.
        """
        self._check(parse_length(header_of(scope, b"content-length") or "") or 0)
        limit = asyncio.timeout(None)
        self._deadlines.begin(limit)
        try:
            async with limit:
                return await self._receive(receive, held)
        except TimeoutError as error:
            raise HttpError(
                408, f"the request was not received within {self._seconds:g} s.", close=True
            ) from error
        finally:
            self._deadlines.end(limit)

    async def _receive(self, receive: Receive, held: BodyReservation) -> bytes:
        # Memory grows with each chunk: allocating all of a large body at the end would block the
        # event loop for milliseconds, while the system clears it.
        whole, more = io.BytesIO(), True
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
        return whole.getvalue()

    def holding(self) -> BodyReservation:
        """Return a context manager that counts the bytes of a body until it is left."""
        return BodyReservation(self)

    def hold(self, size: int) -> None:
        """Add to the bytes in memory; negative numbers release them."""
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
        """Refuse a request if too many bytes are in memory.

        Raises:
            HttpError: 503: they are not.
        """
        if self._held > self._max_held:
            raise HttpError(
                503,
                "too many requests are being received at the same time. Try again.",
                retry_after=1,
                close=True,
            )


class BodyReservation:
    """Context manager in which ``size`` bytes of a request's body are in memory."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader, self.size = reader, 0

    def __enter__(self) -> BodyReservation:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.hold(-self.size)

    def add(self, size: int) -> None:
        """Add bytes of this body."""
        self.size += size
        self._reader.hold(size)


async def drain(receive: Receive) -> None:
    """Read and discard the rest of a refused body, within limits."""
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
    """Return the value of a header; the first, if it occurs several times."""
    for other, value in scope["headers"]:
        if other == name:
            return bytes(value).decode("latin-1")
    return None


def headers_of(scope: Scope, name: bytes) -> str:
    """Return the values of all headers with a name (lower case), joined by commas."""
    found = [bytes(value).decode("latin-1") for other, value in scope["headers"] if other == name]
    return ", ".join(found)


def parse_length(text: str) -> int | None:
    """Parse a length from a header; None if it is no number. Very many digits are a huge number."""
    if not (text.isascii() and text.isdecimal()):
        return None
    if len(text) <= _DIGITS:
        return int(text)
    # int() refuses more than 4,300 digits.
    return int((text.lstrip("0") or "0")[:_DIGITS])
