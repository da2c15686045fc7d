"""Connections that parse in turns, so that none blocks the others.

Knows: uvicorn's protocol on httptools, and which part of the input is parsed when. Does not know
which requests are refused.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from kerascnn.serving.http.body import parse_length
from kerascnn.serving.http.deadlines import Deadlines
from kerascnn.serving.http.joined_writes import JoinedWrites

_SLICE, _TURN = 4096, 0.001
"""Bytes to parse at a time, and length of a connection's turn in seconds. One read may contain ten
thousand requests, or forty thousand chunks of a body: 0.2 s of work."""

_IDLE = 620.0
"""Keep-alive timeout in seconds. Proxies keep connections for one to ten minutes, and report a
failed request (502) if they send it while the server closes; so the proxy must close first.
uvicorn's default of 5 s is for servers with few connections."""

_LARGE = 65_536
"""Size of a read in bytes after which uvloop may read up to 32 times before other callbacks run."""


class _Flow(FlowControl):
    """uvicorn's flow control, which also pauses reading while unparsed data remains."""

    parsing = False

    def resume_reading(self) -> None:
        """Resume reading, unless unparsed data remains."""
        if self.parsing:
            self.read_paused = False
        else:
            super().resume_reading()

    def begin_parsing(self) -> None:
        """Pause reading until everything is parsed."""
        self.parsing = True
        self._transport.pause_reading()

    def end_parsing(self) -> None:
        """Resume reading, unless uvicorn paused it."""
        if self.parsing:
            self.parsing = False
            if not self.read_paused:
                self._transport.resume_reading()


class TurnTakingProtocol(HttpToolsProtocol):
    """uvicorn's connection, which parses its input in small slices.

    Nothing is parsed after a pipelined request that waits for an earlier response: parsed requests
    take a hundred times the memory.
    """

    flow: _Flow
    # Keep-alive limits of all connections of a server, for each of which uvicorn has a timer
    idle: ClassVar[Deadlines[TurnTakingProtocol]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = memoryview(b"")
        self._turn: asyncio.Handle | None = None
        self._active: RequestResponseCycle | None = None
        self._body_left = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set up flow control and joined writes."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._answers = JoinedWrites(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the active request."""
        self._unparsed = memoryview(b"")
        if self._active is not None and not self._active.response_complete:
            # uvicorn notifies only the last request, which may be waiting behind this one.
            self._active.disconnected = True
            self._active.message_event.set()
        self.idle.end(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive data."""
        self._unparsed = memoryview(b"".join((self._unparsed, data)) if self._unparsed else data)
        if len(data) > _LARGE:
            self._schedule()  # else the loop may read many times before other callbacks
        elif self._turn is None:
            self._take_turn()

    def on_headers_complete(self) -> None:
        """Start to handle the request, or queue it behind the previous one."""
        super().on_headers_complete()
        self.cycle.transport = self._answers  # type: ignore[assignment]
        if not self.pipeline:
            self._active = self.cycle
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        self._body_left = parse_length(length.decode("latin-1")) or 0

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        self._body_left -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Start the next request, and continue parsing."""
        self._active = None
        self._answers.end()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._active, app = self.pipeline.pop()
            self._start_asgi_task(self._active, app)
        else:
            self.idle.begin(self)
        self._schedule()

    def _unset_keepalive_if_required(self) -> None:
        self.idle.end(self)

    def parse(self, part: memoryview) -> memoryview | bytes:
        """Parse a part, and return its unparsed rest.

        Raises:
            httptools.HttpParserError: Invalid HTTP.
        """
        self.parser.feed_data(part)
        return b""

    def parse_slices(self) -> None:
        """Parse slices until the turn is over."""
        end = time.perf_counter() + _TURN
        while self._unparsed and self.parser is not None and not self.transport.is_closing():
            # The rest of a body of known length is parsed in no time.
            size = max(_SLICE, self._body_left)
            part, self._unparsed = self._unparsed[:size], self._unparsed[size:]
            rest = self.parse(part)
            if rest:
                self._unparsed = memoryview(b"".join((rest, self._unparsed)))
            if self.pipeline or time.perf_counter() > end:
                break

    def _take_turn(self) -> None:
        self._turn = None
        if self.parser is not None:  # not after connection_lost
            self._unset_keepalive_if_required()
            self.parse_slices()
            self._schedule()

    def _schedule(self) -> None:
        """Resume reading if everything is parsed; else continue parsing in the next turn."""
        if self.transport.is_closing():
            return
        if not self._unparsed:
            self.flow.end_parsing()
            return
        self.flow.begin_parsing()
        if not self.pipeline and self._turn is None:
            self._turn = self.loop.call_soon(self._take_turn)


def idle_connections() -> Deadlines[TurnTakingProtocol]:
    """Return keep-alive limits, which close connections that are idle for too long."""
    return Deadlines(_IDLE, lambda one: one.timeout_keep_alive_handler())


TurnTakingProtocol.idle = idle_connections()
