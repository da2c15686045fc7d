"""Clients that ask a server over HTTP, and what they saw: for scripts/bench_serving.

Knows: HTTP/1.1 on the loopback, as bytes. Does not know servers, nor what pictures show.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


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


async def client(
    port: int, requests: Iterator[bytes], end: float, seen: list[Seen], keep: bool = False
) -> None:
    """Be one client: a request, its answer, the next, until the time is over.

    Args:
        port: Of the loopback.
        requests: Taken from by all clients in turn.
        end: Of :func:`time.perf_counter`.
        seen: What was seen is added.
        keep: The answers' bodies too.
    """
    writer: asyncio.StreamWriter | None = None
    while time.perf_counter() < end:
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        began = time.perf_counter()
        try:
            writer.write(next(requests))
            status, body, closes = await answer(reader)
            seen.append(Seen(time.perf_counter() - began, status, body if keep else b""))
            if closes:
                writer.close()
                writer = None
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.append(Seen(time.perf_counter() - began, 0, b""))
            writer = None
    if writer is not None:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Read an answer: its status, its body, and whether the server closes the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(x[15:]) for x in lines if x.startswith("content-length:"))
    body = await reader.readexactly(length)
    return int(lines[0].split()[1]), body, "connection: close" in lines


def load(
    port: int, requests: Sequence[bytes], clients: int, seconds: float
) -> tuple[list[Seen], float]:
    """Ask with some clients for some seconds; give what they saw, and the seconds it took."""
    seen: list[Seen] = []

    async def ask() -> None:
        end, turn = time.perf_counter() + seconds, itertools.cycle(requests)
        await asyncio.gather(*(client(port, turn, end, seen) for _ in range(clients)))

    began = time.perf_counter()
    asyncio.run(ask())
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
