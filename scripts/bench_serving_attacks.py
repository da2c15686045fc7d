"""Liveness while cheap requests try to starve it: for scripts/bench_serving attacks.

Knows: requests that cost a server more than their sender. Does not know how they are borne.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_serving_load import load, request_of, tell
from bench_serving_process import memory, ours
from PIL import Image

from kerascnn import Classifier

_EVERY = 0.02
"""Seconds between two looks at liveness."""


def attacks(options: argparse.Namespace) -> None:
    """Print liveness beside each attack, and beside none."""
    classifier = Classifier(options.model, options.provider)
    name, size = Path(options.model).stem, classifier.card.image_size
    chosen = {
        attack: make for attack, make in {"none": None, **ATTACKS}.items()
        if not options.only or options.only in attack
    }  # fmt: skip
    with ours(options.model, "--provider", options.provider) as (port, server):
        for attack, make in [*chosen.items()] * options.rounds:
            request = make(name, size) if make else None
            borne = beside(port, request, options.clients, options.seconds)
            tell(attack=attack, **borne, memory_mb=round(memory(server)))


def beside(port: int, request: bytes | None, clients: int, seconds: float) -> dict[str, object]:
    """Look at liveness while some clients, in a process of their own, send one request.

    Returns:
        Times in milliseconds, and how the requests were answered.
    """
    queue: multiprocessing.Queue[dict[str, int]] = multiprocessing.Queue()
    arguments = (port, request, clients, seconds, queue)
    attacking = multiprocessing.Process(target=_attack, args=arguments)
    attacking.start()
    look, times = request_of("/", b"").replace(b"POST / ", b"GET /v2/health/live "), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        seen, _ = load(port, [look], 1, 0.0001)
        times += [one.taken * 1000 for one in seen]
        time.sleep(_EVERY)
    statuses = queue.get()
    attacking.join()
    p50, p99 = np.percentile(times, (50, 99))
    return {
        "looks": len(times), "p50_ms": round(float(p50), 1), "p99_ms": round(float(p99), 1),
        "max_ms": round(max(times), 1), "statuses": statuses,
    }  # fmt: skip


def _attack(
    port: int,
    request: bytes | None,
    clients: int,
    seconds: float,
    queue: multiprocessing.Queue[dict[str, int]],
) -> None:
    seen = load(port, [request], clients, seconds)[0] if request else []
    queue.put(dict(collections.Counter(str(one.status) for one in seen)))


def _png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def _many_scans() -> bytes:
    file = io.BytesIO()
    Image.new("L", (2000, 2000)).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    return whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * 400 + whole[-2:]


def _as_json(name: str, shape: tuple[int, ...]) -> bytes:
    tensor = {"name": "image", "datatype": "UINT8", "shape": shape}
    text = json.dumps({"inputs": [tensor | {"data": [7] * int(np.prod(shape))}]})
    return request_of(f"/v2/models/{name}/infer", text.encode())


def _escapes(name: str) -> bytes:
    text = b'{"instances": [{"b64": "%s"}]}' % (rb"\u0041" * 2_500_000)
    return request_of(f"/v1/models/{name}:predict", text)


def _keys(name: str) -> bytes:
    keys = b",".join(b'"%x":1' % number for number in range(1_400_000))
    return request_of(f"/v1/models/{name}:predict", b'{"instances": [{%s}]}' % keys)


def _tiny_files(name: str) -> bytes:
    tensor = {
        "name": "image", "datatype": "BYTES", "shape": [3_900_000],
        "parameters": {"binary_data_size": 15_600_000},
    }  # fmt: skip
    head = json.dumps({"inputs": [tensor]}).encode()
    length = f"Inference-Header-Content-Length: {len(head)}"
    return request_of(f"/v2/models/{name}/infer", head + bytes(15_600_000), length)


def _text_form() -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n%s\r\n--b--\r\n'
    text = part % ("\u00e4".encode() * 7_500_000)
    return request_of("/predict", text, "Content-Type: multipart/form-data; boundary=b")


def _semicolons() -> bytes:
    kind = f'multipart/form-data; a="{";" * 30_000}; boundary=b'
    return request_of("/predict", b"--b\r\n\r\nx\r\n--b--\r\n", f"Content-Type: {kind}")


def _no_pictures(name: str) -> bytes:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [256], "data": ["eA=="] * 256}
    text = json.dumps({"inputs": [tensor]}).encode()
    return request_of(f"/v2/models/{name}/infer", text)


def _list(name: str, text: bytes) -> bytes:
    return request_of(f"/v1/models/{name}:predict", b'{"instances": [%s0]}' % text)


ATTACKS: dict[str, Callable[[str, int], bytes]] = {
    "30 megapixels in a PNG": lambda _name, _size: request_of("/predict", _png(6000, 5000)),
    "a thin PNG": lambda _name, _size: request_of("/predict", _png(1, 4_000_000)),
    "a JPEG of 400 scans": lambda _name, _size: request_of("/predict", _many_scans()),
    "256 pictures in JSON": lambda name, size: _as_json(name, (256, size, size, 3)),
    "15 MB of JSON": lambda name, _size: _as_json(name, (1, 1290, 1290, 3)),
    "seven million elements": lambda name, _size: _list(name, b"1," * 7_000_000),
    "an object of 1.4 million keys": lambda name, _size: _keys(name),
    "a text of escapes": lambda name, _size: _escapes(name),
    "nested a million deep": lambda name, _size: _list(name, b"[" * 1_000_000),
    "four million empty files": lambda name, _size: _tiny_files(name),
    "15 MB of text in a form": lambda _name, _size: _text_form(),
    "30,000 semicolons in a header": lambda _name, _size: _semicolons(),
    "256 files of a byte": lambda name, _size: _no_pictures(name),
}
"""Requests by what they are; each is made of the model's name and size."""
