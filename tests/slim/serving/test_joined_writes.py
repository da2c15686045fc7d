"""An answer leaves in one piece, and whatever is not its body when it is there."""

import asyncio

import pytest

pytest.importorskip("uvicorn", reason="needs the extra serve")

from .test_parsing_turns import Transport, connected

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"


class Written(Transport):
    """Keeps each piece that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(bytes(data))


async def pieces(app, *parts: bytes) -> list[bytes]:
    connection, _ = connected(app)
    transport = Written()
    connection.connection_made(transport)
    for part in parts:
        connection.data_received(part)
        for _ in range(20):
            await asyncio.sleep(0)
    return transport.pieces


def answering(*body: bytes, length: int | None = None, read: bool = True):
    async def app(scope, receive, send) -> None:
        if read:
            await receive()
        size = sum(map(len, body)) if length is None else length
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(body, 1):
            more = number < len(body)
            await send({"type": "http.response.body", "body": part, "more_body": more})

    return app


def test_head_and_body_are_one_piece():
    two = asyncio.run(pieces(answering(b"HTTP/1.1 100"), (POST + b"\r\nx") * 2))
    assert len(two) == 2
    assert all(one.startswith(b"HTTP/1.1 200") and one.endswith(b"HTTP/1.1 100") for one in two)


def test_a_body_in_parts_is_not_kept_waiting():
    head, *others = asyncio.run(pieces(answering(b"a", b"b" * 100_000, b"c"), POST + b"\r\nx"))
    assert head.endswith(b"\r\n\r\na")
    assert others == [b"b" * 100_000, b"c"]


def test_a_large_body_is_not_copied():
    head, body = asyncio.run(pieces(answering(b"b" * 100_000), POST + b"\r\nx"))
    assert head.endswith(b"\r\n\r\n")
    assert body == b"b" * 100_000


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
def test_an_answer_without_a_body(last):
    for method, length in ((b"HEAD", 7), (b"GET", 0)):
        asked = method + b" / HTTP/1.1\r\nHost: x\r\n" + last + b"\r\n"
        (only,) = asyncio.run(pieces(answering(b"", length=length), asked))
        assert only.endswith(b"\r\n\r\n")


def test_a_client_that_waits_for_it_may_send_its_body():
    early, answer = asyncio.run(
        pieces(answering(b"good"), POST + b"Expect: 100-continue\r\n\r\n", b"x")
    )
    assert early == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.endswith(b"good")
