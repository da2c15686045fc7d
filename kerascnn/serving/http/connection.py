"""One connection: what uvicorn leaves to others about clients that are slow, gone or wrong.

Knows: uvicorn's protocol on httptools. Does not know the application.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kerascnn.serving.http.middleware import error_body

MOST = 1000
"""Connections at a time; more are told 503 and closed."""

_SLACK = 1.25
"""The application's own limit for a body ends first, so that 408 is counted and logged."""


_OFFERS = frozenset({b"upgrade", b"http2-settings"})
"""Headers, and their names in ``Connection``, which offer another protocol."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with a clock.

    uvicorn waits for ever for a request to begin, for its headers, and for a client to read an
    answer; it answers what is not HTTP in plain text, and drops a client that closed its half.

    Attributes:
        seconds: Within which a request must have come in.
    """

    seconds = 15.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; the first request must come in time."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            self._answer(503, "too many connections. Try again later.", "retry-after: 1\r\n")
            return
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_clock()
        self.resume_writing()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._begun = True
        self._start_clock()

    def on_message_complete(self) -> None:
        """End a request: all of it came in."""
        if self.parser.should_upgrade():
            return  # it begins again, see data_received
        super().on_message_complete()
        self._begun = False
        self._stop_clock()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request.

        An offer to speak another protocol (``Upgrade: h2c``, which Java's client makes) is not
        taken up, as RFC 9110, section 7.8, allows. But the parser ends at it, as if there were no
        body; so the head is given to a new one without the offer, and what follows with it.
        """
        self._unset_keepalive_if_required()
        try:
            while data and self.parser is not None and not self.transport.is_closing():
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserUpgrade as offer:
                    # The exception says where the head ends.
                    data = self._head_without_offer() + data[offer.args[0] :]
                else:
                    data = b""
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the parser ends here."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def _head_without_offer(self) -> bytes:
        """Write the head of the request again, without what offers another protocol."""
        method, old = self.parser.get_method(), self.parser
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if method == b"CONNECT":
            self._answer(400, "CONNECT asks for a proxy, and this is none.")
            return b""
        lines = [b"%s %s HTTP/%s" % (method, self.url, old.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                kept = [one for one in value.split(b",") if one.strip().lower() not in _OFFERS]
                value = b",".join(kept)
            if name not in _OFFERS:
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def eof_received(self) -> None:
        """Answer a client that closed its half, if only to say that it is not answered.

        Whether it closed the other half too, nobody can know; so what it asked for is not
        worked on, and the connection ends.
        """
        if self._begun:
            self._answer(400, "the connection was closed in the middle of the request.")
        elif self.cycle is not None and not self.cycle.response_complete:
            self._answer(
                400, "the connection was half closed; keep it open until the answer is there."
            )

    def pause_writing(self) -> None:
        """Note that the client does not read; it has as long as for sending."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._answer(400, msg)

    def _answer(self, status: int, message: str, header: str = "") -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            body = error_body(message)
            head = (
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
                f"{header}connection: close\r\n\r\n"
            )
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()

    def _start_clock(self) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(self.seconds * _SLACK, self._too_slow)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_slow(self) -> None:
        if self._begun:
            self._answer(408, f"the request did not come in within {self.seconds:g} s.")
        else:
            self.transport.close()
