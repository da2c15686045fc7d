"""Clients that ask a server over HTTP, and what they saw: for scripts/bench_serving.

Knows: HTTP/1.1 on the loopback, as bytes. Does not know servers, nor what pictures show.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import itertools
import json
import re
import selectors
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Seen(NamedTuple):
    """What a client saw of one request: seconds from writing it to the answer's last byte."""

    taken: float
    status: int
    """Of HTTP; 0: the connection broke."""
    body: bytes
    """Empty where it was not to be kept."""


def request_of(path: str, body: bytes, *headers: str) -> bytes:
    """Write a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def binary_request(model: str, size: int) -> bytes:
    """Write a request of the Open Inference Protocol with the pixels as they are."""
    pixels = size * size * 3
    image = {
        "name": "image", "datatype": "UINT8", "shape": [1, size, size, 3],
        "parameters": {"binary_data_size": pixels},
    }  # fmt: skip
    head = {"inputs": [image], "parameters": {"binary_data_output": True}}
    text = json.dumps(head).encode()
    return request_of(
        f"/v2/models/{model}/infer", text + bytes(pixels),
        f"Inference-Header-Content-Length: {len(text)}",
    )  # fmt: skip


def requests_of(pictures: Sequence[str]) -> list[bytes]:
    """Write a request for each file, the picture as it is."""
    return [request_of("/predict", Path(path).read_bytes()) for path in pictures]


def as_json(body: bytes) -> bytes:
    """Write a request with a picture in base64 within JSON."""
    content = json.dumps({"picture": base64.b64encode(body).decode()}).encode()
    return request_of("/predict", content, "Content-Type: application/json")


class _Client:
    """One client: a request, its answer, the next; on a connection that is kept."""

    def __init__(self, port: int, selector: selectors.BaseSelector, keep: bool) -> None:
        self._address, self._selector, self._keep = ("127.0.0.1", port), selector, keep
        self._socket: socket.socket | None = None
        self._unsent, self._answer, self._began = memoryview(b""), bytearray(), 0.0

    def ask(self, request: bytes) -> None:
        """Begin a request."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address)
            self._socket.setblocking(False)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._answer.clear()
        self._unsent, self._began = memoryview(request), time.perf_counter()
        with contextlib.suppress(ConnectionError):  # the next read tells
            self._send()
        if self._unsent:
            self._selector.modify(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def go_on(self, events: int) -> Seen | None:
        """Do what the socket is ready for; give what was seen when the answer is whole."""
        try:
            if events & selectors.EVENT_WRITE:
                self._send()
                if not self._unsent:
                    self._selector.modify(self._connection, selectors.EVENT_READ, self)
            return self._receive() if events & selectors.EVENT_READ else None
        except ConnectionError:
            return self._done(0, b"", closes=True)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    @property
    def _connection(self) -> socket.socket:
        return cast("socket.socket", self._socket)

    def _send(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[self._connection.send(self._unsent) :]

    def _receive(self) -> Seen | None:
        data = self._connection.recv(1 << 18)
        if not data:
            return self._done(0, b"", closes=True)
        self._answer += data
        head, found, _ = self._answer.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(_LENGTH.search(head)[1])  # type: ignore[index]
        start = len(head) + 4
        if len(self._answer) < start + length:
            return None
        closes = bool(self._unsent) or b"connection: close" in head.lower()
        return self._done(int(head[9:12]), bytes(self._answer[start:]), closes=closes)

    def _done(self, status: int, body: bytes, *, closes: bool) -> Seen:
        if closes:
            self.close()
        return Seen(time.perf_counter() - self._began, status, body if self._keep else b"")


def load(
    port: int, requests: Sequence[bytes], clients: int, seconds: float, keep: bool = False
) -> tuple[list[Seen], float]:
    """Ask with some clients for some seconds, each as soon as it has its answer.

    One thread without asyncio: a client takes some tens of microseconds a request from the
    processors that the server shares, so that it is the server whose speed is seen.

    Args:
        port: Of the loopback.
        requests: Taken from by all clients in turn.
        clients: How many.
        seconds: After them no request begins.
        keep: The answers' bodies too.

    Returns:
        What the clients saw, and the seconds it took.
    """
    seen: list[Seen] = []
    turn, began = itertools.cycle(requests), time.perf_counter()
    with selectors.DefaultSelector() as selector:
        asking = {_Client(port, selector, keep) for _ in range(clients)}
        for client in asking:
            client.ask(next(turn))
        while asking:
            for key, events in selector.select():
                one = key.data.go_on(events)
                if one is None:
                    continue
                seen.append(one)
                if time.perf_counter() < began + seconds:
                    key.data.ask(next(turn))
                else:
                    key.data.close()
                    asking.discard(key.data)
    return seen, time.perf_counter() - began


def figures(seen: Sequence[Seen], seconds: float) -> dict[str, Any]:
    """Sum up."""
    good = [one.taken for one in seen if one.status == 200]
    return {
        "requests_per_second": round(len(good) / seconds, 1),
        "p50_ms": round(float(np.percentile(good, 50)) * 1000, 1) if good else None,
        "p99_ms": round(float(np.percentile(good, 99)) * 1000, 1) if good else None,
        "statuses": dict(collections.Counter(str(one.status) for one in seen)),
    }


def tell(**values: object) -> None:
    """Print a line of JSON."""
    print(json.dumps(values), flush=True)
