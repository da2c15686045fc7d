"""Connections that take turns: none keeps the others waiting, however much of it must be parsed.

Knows: uvicorn's protocol on httptools, and which part of what came in is parsed when. Does not
know what is refused.
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
"""Bytes that are parsed at once, and seconds after which it is another connection's turn. One read
may bring ten thousand requests, or forty thousand chunks of a body: 0.2 s of work."""

_IDLE = 620.0
"""Seconds within which the next request must begin. Proxies keep connections for one to ten minutes
and take one that the server is closing for a failure of the request that they send by it (502); so
the proxy must be the first to close. uvicorn's own 5 s are for servers with few connections."""

_LARGE = 65_536
"""Bytes of a read: after larger ones, uvloop reads up to 32 times before others have their turn."""


class _Flow(FlowControl):
    """uvicorn's control of reading, which also stops while something is not parsed yet."""

    parsing = False

    def resume_reading(self) -> None:
        """Go on reading, unless there is enough to parse."""
        if self.parsing:
            self.read_paused = False
        else:
            super().resume_reading()

    def begin_parsing(self) -> None:
        """Read no more until all is parsed."""
        self.parsing = True
        self._transport.pause_reading()

    def end_parsing(self) -> None:
        """Go on reading, if uvicorn reads."""
        if self.parsing:
            self.parsing = False
            if not self.read_paused:
                self._transport.resume_reading()


class TurnTakingProtocol(HttpToolsProtocol):
    """uvicorn's connection, which parses what came in a little at a time.

    Behind a request that waits for the answer to another nothing is parsed: it would be kept, and
    takes a hundred times the memory then.

    Attributes:
        idle: Connections that wait for their next request, of one server: uvicorn has a timer for
            each.
    """

    flow: _Flow
    idle: ClassVar[Deadlines[TurnTakingProtocol]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = memoryview(b"")
        self._turn: asyncio.Handle | None = None
        self._active: RequestResponseCycle | None = None
        self._body_left = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._answers = JoinedWrites(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._unparsed = memoryview(b"")
        if self._active is not None and not self._active.response_complete:
            # uvicorn tells the request that came last, which may be waiting behind this one.
            self._active.disconnected = True
            self._active.message_event.set()
        self.idle.end(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        self._unparsed = memoryview(b"".join((self._unparsed, data)) if self._unparsed else data)
        if len(data) > _LARGE:
            self._schedule()  # the loop would read again and again before anything else
        elif self._turn is None:
            self._take_turn()

    def on_headers_complete(self) -> None:
        """Begin to answer, or wait until the request before is answered."""
        super().on_headers_complete()
        self.cycle.transport = self._answers  # type: ignore[assignment]
        if not self.pipeline:
            self._active = self.cycle
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        self._body_left = parse_length(length.decode("latin-1")) or 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_left -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Begin with the next request, and parse what follows it."""
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
        """Parse a part, and return what of it is not parsed.

        Raises:
            httptools.HttpParserError: It is not HTTP.
        """
        self.parser.feed_data(part)
        return b""

    def parse_slices(self) -> None:
        """Parse slices until the turn is over."""
        end = time.perf_counter() + _TURN
        while self._unparsed and self.parser is not None and not self.transport.is_closing():
            # The rest of a body of known length takes no time to parse.
            size = max(_SLICE, self._body_left)
            part, self._unparsed = self._unparsed[:size], self._unparsed[size:]
            rest = self.parse(part)
            if rest:
                self._unparsed = memoryview(b"".join((rest, self._unparsed)))
            if self.pipeline or time.perf_counter() > end:
                break

    def _take_turn(self) -> None:
        self._turn = None
        if self.parser is not None:  # the connection is not lost
            self._unset_keepalive_if_required()
            self.parse_slices()
            self._schedule()

    def _schedule(self) -> None:
        """Read on if all is parsed; else parse on when it is this connection's turn again."""
        if self.transport.is_closing():
            return
        if not self._unparsed:
            self.flow.end_parsing()
            return
        self.flow.begin_parsing()
        if not self.pipeline and self._turn is None:
            self._turn = self.loop.call_soon(self._take_turn)


def idle_connections() -> Deadlines[TurnTakingProtocol]:
    """Return what closes connections that were idle for too long."""
    return Deadlines(_IDLE, lambda one: one.timeout_keep_alive_handler())


TurnTakingProtocol.idle = idle_connections()
