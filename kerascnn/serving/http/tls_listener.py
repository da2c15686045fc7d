"""Accepts TLS connections, with a limit on handshakes, which start one at a time.

Knows: asyncio's handshake, that a client may never finish one, and that a signature takes a
millisecond of processor time. Does not know the protocol on top of TLS.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from kerascnn.errors import kind_and_line

log = logging.getLogger(__name__)

MOST_HANDSHAKES = 256
"""Maximum concurrent handshakes; beyond it the oldest is aborted. Most take milliseconds, and
clients that take seconds are not in a hurry."""

_AT_ONCE = 16
"""Maximum connections to accept before other callbacks run: each takes about 10 microseconds."""

_PAUSE = 0.1
"""Seconds to wait after accepting failed, e.g. because too many files are open: each attempt
writes a line to the log."""


class TlsListener:
    """Accepts connections; has the two methods of :class:`asyncio.Server` that uvicorn calls.

    asyncio's own server does not count connections before the end of their handshake, and runs any
    number of handshakes concurrently.

    Args:
        listener: Socket that listens already.
        protocol: Creates the protocol of a connection.
        context: TLS context with certificate and key.
        seconds: Time limit for a handshake.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
        seconds: float,
    ) -> None:
        self._listener, self._protocol = listener, protocol
        self._context, self._seconds = context, seconds
        self._turn = asyncio.Lock()
        self._handshakes: dict[asyncio.Task[None], None] = {}
        listener.setblocking(False)
        self._accepting = asyncio.ensure_future(self._accept())

    def close(self) -> None:
        """Stop accepting, and abort handshakes."""
        for task in (self._accepting, *self._handshakes):
            task.cancel()
        self._listener.close()

    async def wait_closed(self) -> None:
        """Wait until accepting has stopped."""
        with suppress(asyncio.CancelledError):
            await self._accepting

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._start_handshake((await loop.sock_accept(self._listener))[0])
                for _ in range(_AT_ONCE):
                    self._start_handshake(self._listener.accept()[0])
            except BlockingIOError:
                continue
            except OSError as error:
                log.error("no connection can be accepted (%s)", kind_and_line(error))
                self._cancel_oldest()
                await asyncio.sleep(_PAUSE)

    def _start_handshake(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if len(self._handshakes) >= MOST_HANDSHAKES:
            self._cancel_oldest()
        task = asyncio.ensure_future(self._handshake(connection))
        self._handshakes[task] = None
        task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    def _cancel_oldest(self) -> None:
        oldest = next(iter(self._handshakes), None)
        if oldest is not None:
            del self._handshakes[oldest]
            oldest.cancel()

    async def _handshake(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                await _wait_until_readable(connection)
            async with self._turn:
                await asyncio.sleep(0)
            await loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._seconds,
                ssl_shutdown_timeout=self._seconds,
            )
        except OSError:  # includes TimeoutError and ssl.SSLError; no way to respond
            connection.close()
        except BaseException:
            connection.close()
            raise


async def _wait_until_readable(connection: socket.socket) -> None:
    """Wait for the first bytes, before which a handshake cannot start."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(connection, came.set)
    except NotImplementedError:  # Windows
        return
    try:
        await came.wait()
    finally:
        loop.remove_reader(connection)
