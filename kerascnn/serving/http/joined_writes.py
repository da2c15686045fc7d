"""Writes head and body of a response in one system call.

Knows: the order in which uvicorn writes a response. Does not know its content.
"""

from __future__ import annotations

import asyncio

_INTERIM = b"HTTP/1.1 100"
"""Start of an interim response, which the client waits for before it sends its body."""

_COPIED = 65_536
"""Size of a body in bytes up to which copying it costs less than a second write."""


class JoinedWrites:
    """Transport of a connection for uvicorn's responses, which buffers the head until the body.

    uvicorn writes them separately and uvloop does not buffer, which would cost a second system
    call and wake the client up twice.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head, self._begun = b"", False

    def write(self, data: bytes) -> None:
        """Write the head, an interim response, or a part of the body."""
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
        """Finish a response, which may have no body."""
        if self._head:
            self._transport.write(self._head)
        self._head, self._begun = b"", False

    def close(self) -> None:
        """Close the connection after everything is written."""
        self.end()
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether the connection is closed or closing."""
        return self._transport.is_closing()
