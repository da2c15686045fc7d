"""One connection: what uvicorn leaves to others about clients that are slow, gone or wrong.

Knows: uvicorn's protocol on httptools. Does not know the application.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from kerascnn.serving.http.disconnects import EXTENSION, ConnectionState
from kerascnn.serving.http.middleware import error_body
from kerascnn.serving.http.parsing_turns import TurnTakingProtocol

MOST = 1000
"""Connections at a time; for the next the one is closed that has waited longest for a request, and
if there is none, it is told 503 and closed. Each takes a descriptor; the limit of those is raised
as far as the system allows."""

_SLACK = 1.25
"""Times ``seconds``: the application's own limit for a body ends first, so that 408 is counted and
logged."""


HEAD_BYTES, HEADERS, URL_BYTES = 32_768, 100, 8_192
"""Of one request. Browsers send up to 16 kB with their cookies; the paths here have no queries."""

_CODING, _WHOLE_URL = b"transfer-encoding", re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
"""A header's name, and the host of a request target that is a whole URL."""

_VERSIONS = ("1.0", "1.1")

_OFFERS = frozenset({b"upgrade", b"http2-settings"})
"""Headers, and their names in ``Connection``, which offer another protocol."""


class Connection(TurnTakingProtocol):
    """uvicorn's connection, with a clock.

    uvicorn waits for ever for a request to begin, for its headers, and for a client to read an
    answer; it answers what is not HTTP in plain text, and drops a client that closed its half.

    Attributes:
        seconds: Within which a request must have come in.
        silent: Connections that wait for their next request, the longest first; of all of a server.
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
        """Begin; the first request must come in time."""
        super().connection_made(transport)
        if len(self.connections) > MOST and not self._close_silent():
            self._answer(503, "too many connections. Try again later.", "retry-after: 1\r\n")
            return
        self.silent[self] = None
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.silent.pop(self, None)
        self._stop_clock()
        self.resume_writing()
        super().connection_lost(exc)
        self._state.close()

    def _close_silent(self) -> bool:
        """Close the connection that has waited longest for its next request, if there is one."""
        oldest = next(iter(self.silent), None)
        if oldest is None:
            return False
        del self.silent[oldest]
        oldest.transport.abort()  # nothing is on its way, and TLS would wait for the client
        return True

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.silent.pop(self, None)
        self.scope["extensions"] = {EXTENSION: self._state}  # type: ignore[dict-item]
        self._begun = self._in_head = True
        self._head = self._header_bytes = 0
        self._stop_clock()

    def on_message_complete(self) -> None:
        """End a request: all of it came in."""
        if self.parser.should_upgrade() or self._refused:
            return  # it begins again, see data_received; or it was too large
        super().on_message_complete()
        self._begun = False
        self._stop_clock()

    def on_response_complete(self) -> None:
        """Wait for the next request, if it has not begun."""
        super().on_response_complete()
        busy = self._begun or self._unparsed or self.pipeline
        if not (busy or self.transport.is_closing()):
            self.silent[self] = None

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if not self._refused:
            super().data_received(data)

    def parse_slices(self) -> None:
        """Parse slices until the turn is over, or something is refused."""
        try:
            super().parse_slices()
        except httptools.HttpParserError:
            self._unparsed = memoryview(b"")
            self._in_head |= not self._begun  # it is of another request, be there one before it
            self.send_400_response("Invalid HTTP request received.")
        # Most requests come in one piece, and need no clock.
        waiting = self._begun or self.cycle is None or self.cycle.response_complete
        if waiting and self._clock is None and not self._refused:
            self._start_clock()

    def parse(self, part: memoryview) -> memoryview | bytes:
        """Parse a part.

        An offer to speak another protocol (``Upgrade: h2c``, which Java's client makes) is not
        taken up, as RFC 9110, section 7.8, allows. But the parser ends at it, as if there were no
        body; so the head is given to a new one without the offer, and what follows with it.
        """
        if self._refused:
            return b""
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as offer:
            # The exception says where the head ends.
            return self._head_without_offer() + part[offer.args[0] :]
        # A header is told of when all of it is there, so its parts are counted here.
        self._count(len(part) if self._in_head else 0)
        return b""

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the parser ends here."""
        if self.parser.should_upgrade() or self._refused:
            self._in_head = False
            return
        if not self.url.startswith(b"/"):
            self._take_host_of_url()
        names, version = [name for name, _ in self.headers], self.parser.get_http_version()
        hosts = names.count(b"host")
        if version not in _VERSIONS:
            self._refuse(505, f"HTTP/{version}; expected HTTP/1.1 or HTTP/1.0.")
        elif hosts > 1:
            self._refuse(400, "the request has several Host headers; expected one.")
        elif not hosts and version != "1.0":
            self._refuse(400, "the request has no Host header; HTTP/1.1 has one.")
        elif self.url[:1] not in (b"/", b"*") and not _WHOLE_URL.match(self.url):
            self._refuse(400, "the target is a URL of another scheme; expected http or a path.")
        elif _CODING in names and dict(self.headers)[_CODING].lower() != b"chunked":
            self._refuse(501, "Transfer-Encoding is not chunked; expected that, or none.")
        else:
            self.expect_100_continue &= version != "1.0"  # RFC 9110, section 10.1.1
            super().on_headers_complete()
        self._in_head = False

    def _take_host_of_url(self) -> None:
        """A whole URL has the host that counts, as clients send it to proxies (RFC 9112, 3.2.2)."""
        host = _WHOLE_URL.match(self.url)
        if host is not None:
            others = [one for one in self.headers if one[0] != b"host"]
            self.headers[:] = [(b"host", host[1]), *others]
            path = self.url[host.end() :]
            self.url = host[0] + (path if path.startswith(b"/") else b"/" + path)

    def on_url(self, url: bytes) -> None:
        """Take a part of the path."""
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            self._refuse(414, f"the path is longer than {URL_BYTES:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind the body count only (RFC 9110, section 6.5.1)."""
        if self._in_head:
            super().on_header(name, value.rstrip(b" \t"))
        self._header_bytes += len(name) + len(value)
        if len(self.headers) > HEADERS or self._header_bytes > HEAD_BYTES:
            self._refuse_head()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._refused:
            super().on_body(body)

    def _count(self, received: int) -> None:
        self._head += received
        if self._head > HEAD_BYTES:
            self._refuse_head()

    def _refuse_head(self) -> None:
        self._refuse(
            431,
            f"the head of the request has more than {HEADERS} headers or {HEAD_BYTES:,} bytes.",
        )

    def _refuse(self, status: int, message: str) -> None:
        """Answer, and let the client send the rest: it loses the answer if we close at once."""
        if self._refused:
            return
        self._refused = True
        self._stop_clock()
        self._answer(status, message, close=False)
        self.loop.call_later(self.seconds, self.transport.close)

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
        self._in_head = False  # what came of the next request does not count
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

    def _answer(self, status: int, message: str, header: str = "", *, close: bool = True) -> None:
        if self.transport.is_closing():
            return
        if self._ended:  # and the client closes its half, or goes on with what is no request
            self.transport.close()
            return
        if self._in_head and self.cycle is not None and not self.cycle.response_complete:
            # It is for what follows a request; the answer to that comes first, and is the last.
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
        self._clock = self.loop.call_later(self.seconds * _SLACK, self._too_slow)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_slow(self) -> None:
        if self._begun:
            self._answer(408, f"the request was not received within {self.seconds:g} s.")
        else:
            self.transport.close()
