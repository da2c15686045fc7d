"""One connection: handles slow, disconnected and misbehaving clients, which uvicorn does not.

Knows: uvicorn's protocol on httptools. Does not know the application.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from kerascnn.serving.http.disconnects import EXTENSION, ConnectionState
from kerascnn.serving.http.middleware import error_body
from kerascnn.serving.http.parsing_turns import TurnTakingProtocol
from kerascnn.serving.http.request_head import (
    HEAD_BYTES,
    HEADERS,
    URL_BYTES,
    head_error,
    use_host_of_url,
    without_offers,
)

MAX_CONNECTIONS = 1000
"""Maximum concurrent connections. A new one beyond it replaces the one that has been idle longest;
if none is idle, it is closed with status 503. Each takes a file descriptor, whose limit is raised
as far as the system allows."""

_SLACK = 1.25
"""Factor on ``seconds``, so that the application's own time limit for a body expires first and its
408 is counted and logged."""


class Connection(TurnTakingProtocol):
    """uvicorn's connection, with time limits.

    uvicorn waits without limit for a request to start, for its headers, and for a client to read a
    response; it responds to invalid HTTP in plain text, and drops a client that half-closed.

    Attributes:
        seconds: Time limit for receiving a request.
        silent: Connections of a server that are waiting for a request, the longest waiting first.
    """

    seconds = 15.0
    silent: ClassVar[dict[Connection, None]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._begun = self._in_head = self._refused = self._ended = False
        self._head = self._header_bytes = 0
        self._state = ConnectionState()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection; the first request must arrive in time."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS and not self._close_silent():
            self._answer(503, "too many connections. Try again later.", "retry-after: 1\r\n")
            return
        self.silent[self] = None
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel timers and notify listeners."""
        self.silent.pop(self, None)
        self._stop_clock()
        self.resume_writing()
        super().connection_lost(exc)
        self._state.close()

    def _close_silent(self) -> bool:
        """Close the connection that has been idle longest, if there is one."""
        oldest = next(iter(self.silent), None)
        if oldest is None:
            return False
        del self.silent[oldest]
        oldest.transport.abort()  # nothing is in flight, and a TLS shutdown would wait
        return True

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.silent.pop(self, None)
        self.scope["extensions"] = {EXTENSION: self._state}  # type: ignore[dict-item]
        self._begun = self._in_head = True
        self._head = self._header_bytes = 0
        self._stop_clock()

    def on_message_complete(self) -> None:
        """Finish receiving a request."""
        if self.parser.should_upgrade() or self._refused:
            return  # it is parsed again (see parse), or was refused
        super().on_message_complete()
        self._begun = False
        self._stop_clock()

    def on_response_complete(self) -> None:
        """Mark the connection as idle, unless the next request has started."""
        super().on_response_complete()
        busy = self._begun or self._unparsed or self.pipeline
        if not (busy or self.transport.is_closing()):
            self.silent[self] = None

    def data_received(self, data: bytes) -> None:
        """Receive data."""
        if not self._refused:
            super().data_received(data)

    def parse_slices(self) -> None:
        """Parse slices until the turn is over or a request is refused."""
        try:
            super().parse_slices()
        except httptools.HttpParserError:
            self._unparsed = memoryview(b"")
            self._in_head |= not self._begun  # belongs to the next request, if one precedes it
            self.send_400_response("Invalid HTTP request received.")
        # Most requests arrive in one piece, and need no timer.
        waiting = self._begun or self.cycle is None or self.cycle.response_complete
        if waiting and self._clock is None and not self._refused:
            self._start_clock()

    def parse(self, part: memoryview) -> memoryview | bytes:
        """Parse a part.

        Offers of another protocol (``Upgrade: h2c``, sent by Java's client) are ignored, which
        RFC 9110, section 7.8, allows. But the parser stops there, as if there were no body; so a
        new parser gets the head without the offer, and everything after it.
        """
        if self._refused:
            return b""
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as offer:
            # The exception holds the offset of the end of the head.
            return self._head_without_upgrade() + part[offer.args[0] :]
        # Headers are reported only when complete, so the bytes of partial ones are counted here.
        if self._in_head:
            self._head += len(part)
            if self._head > HEAD_BYTES:
                self._refuse_head()
        return b""

    def on_headers_complete(self) -> None:
        """Refuse an invalid head, or start to handle the request."""
        if self.parser.should_upgrade() or self._refused:
            self._in_head = False
            return
        if not self.url.startswith(b"/"):
            self.url = use_host_of_url(self.url, self.headers)
        version = self.parser.get_http_version()
        if fault := head_error(version, self.url, self.headers):
            self._refuse(*fault)
        else:
            self.expect_100_continue &= version != "1.0"  # RFC 9110, section 10.1.1
            super().on_headers_complete()
        self._in_head = False

    def on_url(self, url: bytes) -> None:
        """Receive a part of the path."""
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            self._refuse(414, f"the path is longer than {URL_BYTES:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header; trailers are only counted (RFC 9110, section 6.5.1)."""
        if self._in_head:
            super().on_header(name, value.rstrip(b" \t"))
        self._header_bytes += len(name) + len(value)
        if len(self.headers) > HEADERS or self._header_bytes > HEAD_BYTES:
            self._refuse_head()

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        if not self._refused:
            super().on_body(body)

    def _refuse_head(self) -> None:
        self._refuse(
            431, f"the head of the request has more than {HEADERS} headers or {HEAD_BYTES:,} bytes."
        )

    def _refuse(self, status: int, message: str) -> None:
        """Respond, and close later: closing while the client sends would lose the response."""
        if self._refused:
            return
        self._refused = True
        self._stop_clock()
        self._answer(status, message, close=False)
        self.loop.call_later(self.seconds, self.transport.close)

    def _head_without_upgrade(self) -> bytes:
        """Start a new parser, and return the head for it, without the offer."""
        method, old = self.parser.get_method(), self.parser
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if method == b"CONNECT":
            self._answer(400, "CONNECT is for a proxy, and this server is none.")
            return b""
        return without_offers(method, self.url, old.get_http_version(), self.headers)

    def eof_received(self) -> None:
        """Respond with an error to a client that half-closed the connection.

        Whether it has closed both directions cannot be detected, so its request is dropped and the
        connection closed.
        """
        self._in_head = False  # a partial next request is ignored
        if self._begun:
            self._answer(400, "the connection was closed in the middle of the request.")
        elif self.cycle is not None and not self.cycle.response_complete:
            self._answer(
                400, "the connection was half closed; keep it open until the response arrives."
            )

    def pause_writing(self) -> None:
        """Start a timer when the client stops reading; it has as long as for sending."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer when the client reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """Respond to invalid HTTP."""
        self._answer(400, msg)

    def _answer(self, status: int, message: str, header: str = "", *, close: bool = True) -> None:
        if self.transport.is_closing():
            return
        if self._ended:  # the final response was sent, and the client half-closes or continues
            self.transport.close()
            return
        if self._in_head and self.cycle is not None and not self.cycle.response_complete:
            # The error is in the next request; the response to this one comes first, and is last.
            self.cycle.keep_alive, self._refused = False, True
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            body = error_body(message)
            head = (
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
                f"{header}connection: close\r\n\r\n"
            )
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        if close:
            self.transport.close()
        elif self.transport.can_write_eof():
            self.transport.write_eof()
            self._ended = True

    def _start_clock(self) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(self.seconds * _SLACK, self._on_read_timeout)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _on_read_timeout(self) -> None:
        if self._begun:
            self._answer(408, f"the request was not received within {self.seconds:g} s.")
        else:
            self.transport.close()
