"""Whatever a connection sends is parsed a little at a time: others have their turns between."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from unittest import mock

import pytest

pytest.importorskip("uvicorn", reason="needs the extra serve")

from uvicorn import Config
from uvicorn.server import ServerState

from kerascnn.serving.http import connection as connection_module
from kerascnn.serving.http import parsing_turns
from kerascnn.serving.http.connection import Connection

HEAD = b"POST /%d HTTP/1.1\r\nHost: localhost\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written, and whether reading goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.reading, self.pauses, self.closed = b"", True, 0, False

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading, self.pauses = False, self.pauses + 1

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


async def echo(scope, receive, send) -> None:
    """Answer with the path and the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    text = f"{scope['path']} {length};".encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def connected(
    app: Callable[..., Awaitable[None]], state: ServerState | None = None
) -> tuple[Connection, Transport]:
    config = Config(app, lifespan="off", log_config=None, access_log=False)
    config.load()
    connection = Connection(config, state or ServerState(), {}, asyncio.get_running_loop())
    transport = Transport()
    connection.connection_made(transport)
    return connection, transport


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice a turn, whatever the processor."""
    monkeypatch.setattr(parsing_turns, "_TURN", 0.0)


REQUESTS = {
    "pipelined": (b"".join(HEAD % n + b"Content-Length: 1\r\n\r\nx" for n in range(2000)), 2000),
    "chunks of a byte": (
        HEAD % 0 + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 9000 + b"0\r\n\r\n", 1,
    ),
    "trailers": (
        HEAD % 0 + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + b"a: b\r\n" * 90
        + b"\r\n" + b"\r\n" * 9000, 1,
    ),
    "an offer to upgrade": (
        HEAD % 0 + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 9000 + b"0\r\n\r\n", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", [*REQUESTS])
def test_much_is_parsed_in_turns(data):
    content, count = REQUESTS[data]

    async def run() -> tuple[list[int], Transport, int]:
        connection, transport = connected(echo)
        parsed, feed = [], connection.parse

        def parse(part: memoryview) -> memoryview | bytes:
            parsed.append(len(part))
            return feed(part)

        connection.parse = parse
        connection.data_received(content)
        kept = len(connection.pipeline)
        assert len(parsed) <= 1
        assert not transport.reading
        while transport.written.count(b";") < count:
            await asyncio.sleep(0)
            kept = max(kept, len(connection.pipeline))
        while not transport.reading:
            await asyncio.sleep(0)
        return parsed, transport, kept

    parsed, transport, kept = asyncio.run(run())
    assert len(parsed) > 4
    assert max(parsed) <= 4096
    assert kept <= 4096 // 50
    ending = {"pipelined": b"/1999 1;", "trailers": b"/0 1;"}.get(data, b"/0 9000;")
    assert transport.written.endswith(ending)


def test_a_body_of_known_length_is_not_cut():
    async def run() -> tuple[Transport, bytes]:
        connection, transport = connected(echo)
        connection.data_received(HEAD % 7 + b"Content-Length: 5\r\n\r\nhello")
        small = transport.pauses
        connection.data_received(HEAD % 8 + b"Content-Length: 300000\r\n\r\n")
        for _ in range(6):
            connection.data_received(bytes(50_000))
        while b"/8" not in transport.written:
            await asyncio.sleep(0)
        return transport, small

    transport, small = asyncio.run(run())
    assert small == 0  # it was parsed at once
    assert transport.written.endswith(b"/8 300000;")


def test_the_request_that_is_answered_hears_that_the_client_left():
    """And not only the last one that came in, which waits behind it."""
    heard = []

    async def wait(_scope, receive, _send) -> None:
        heard.extend([await receive(), await receive()])

    async def run() -> None:
        connection, transport = connected(wait)
        connection.data_received((HEAD % 0 + b"\r\n") * 3)
        await asyncio.sleep(0)
        transport.closed = True
        connection.connection_lost(None)
        while len(heard) < 2:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 100))
    assert [message["type"] for message in heard] == ["http.request", "http.disconnect"]


def test_an_empty_line_keeps_no_connection_open(serving, exported):
    with serving(exported, "--read-timeout", "0.5") as server, closing(server.connect()) as client:
        client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        client.sendall(b"\r\n")
        while client.recv(1000):  # the rest of the answer
            pass


def test_a_new_connection_takes_the_place_of_the_one_that_was_silent_longest(monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(Connection, "silent", {})

    async def main() -> None:
        state, go_on = ServerState(), asyncio.Event()

        async def wait(scope, receive, send) -> None:
            if scope["path"] == "/9":
                await go_on.wait()
            await echo(scope, receive, send)

        begun = connected(wait, state)
        begun[0].data_received(HEAD % 1)
        asked = connected(wait, state)
        asked[0].data_received(HEAD % 9 + b"\r\n")
        answered = connected(wait, state)
        answered[0].data_received(HEAD % 2 + b"\r\n")
        while b"/2 0;" not in answered[1].written:
            await asyncio.sleep(0)
        # Those with a request stay; the other is closed for the next, and that for the next.
        silent = connected(wait, state)
        assert [one[1].closed for one in (begun, asked, answered, silent)] == [0, 0, 1, 0]
        answered[0].connection_lost(None)
        new = connected(wait, state)
        assert silent[1].closed
        silent[0].connection_lost(None)
        new[0].data_received(HEAD % 3)
        last = connected(wait, state)
        assert last[1].closed
        assert b" 503 " in last[1].written
        assert not (begun[1].closed or asked[1].closed or new[1].closed)
        go_on.set()
        while b"/9 0;" not in asked[1].written:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 100))


def test_a_proxy_is_the_first_to_close_an_idle_connection():
    """Google's keep one for 600 s, Amazon's and nginx for 60 s; one closed by us is a 502."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        connection, transport = connected(echo)
        with mock.patch.object(loop, "call_at", wraps=loop.call_at) as timers:
            connection.data_received(HEAD % 1 + b"Content-Length: 1\r\n\r\nx")
            while not transport.written:
                await asyncio.sleep(0)
        when, close_idle = timers.call_args.args
        assert when - loop.time() > 600
        with mock.patch.object(loop, "time", return_value=when + 1):
            close_idle()
        assert transport.closed

    asyncio.run(main())
