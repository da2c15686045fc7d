"""Answers that leave in one piece.

Knows: in which order uvicorn writes an answer. Does not know what is in it.
"""

from __future__ import annotations

import asyncio

_INTERIM = b"HTTP/1.1 100"
"""How the answer begins that is none yet: the client waits for it to send its body."""

_COPIED = 65_536
"""Bytes of a body up to which copying it costs less than a second write."""


class JoinedWrites:
    """A connection's transport, as uvicorn uses it to answer: the head waits for the body.

    uvicorn writes them apart, and uvloop passes on what is written at once: the system would work
    twice, and the client wake up twice.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head, self._begun = b"", False

    def write(self, data: bytes) -> None:
        """Write a part: the head, then the body."""
        if self._begun:
            head, self._head = self._head, b""
            if head and len(data) > _COPIED:
                self._transport.write(head)
                head = b""
            self._transport.write(head + data)
        elif data.startswith(_INTERIM):
            self._transport.write(data)
        else:
            self._head, self._begun = data, True

    def end(self) -> None:
        """End an answer; it may have had no body."""
        if self._head:
            self._transport.write(self._head)
        self._head, self._begun = b"", False

    def close(self) -> None:
        """Close the connection when all is written."""
        self.end()
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether it is closed or about to be."""
        return self._transport.is_closing()
