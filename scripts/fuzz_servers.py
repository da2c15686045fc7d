"""What is given damaged requests: a server over HTTP and over gRPC, for scripts/fuzz.

Knows: good requests of all kinds, and which answers are faults. Does not know how requests are
damaged.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import gzip
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_targets import GOLDEN, ROOT, Target
from PIL import Image

MODEL = "old_run"


class _Server:
    """A server in a process of its own, and what it says."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "kerascnn", "serve", GOLDEN / f"{MODEL}.onnx",
                   "--port", "0", "--no-access-log", "--threads", "1", *options]  # fmt: skip
        # An unread pipe would fill; what was said is looked at after each answer that is odd.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
        self.process = subprocess.Popen(
            list(map(str, command)), env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=self._said,
        )  # fmt: skip
        atexit.register(os.kill, self.process.pid, signal.SIGKILL)
        while b"http://" not in (words := self._all_said()):
            if self.process.poll() is not None:
                raise SystemExit(f"the server did not start: {words.decode()}")
        self.port = int(words.rpartition(b":")[2])
        self.grpc = words.decode().partition("grpc://")[2].partition(" ")[0]
        _wait_until_ready(self.port)
        self._seen = len(self._all_said())

    def check(self, answer: object, internal: bool) -> None:
        """Raise if an answer is an internal error, or the server said anything or ended."""
        words = self._all_said()
        new, self._seen = words[self._seen :], len(words)
        if new or internal or self.process.poll() is not None:
            raise RuntimeError(f"answered {str(answer)[:300]}, and said {new.decode()}")

    def _all_said(self) -> bytes:
        return os.pread(self._said.fileno(), 1 << 20, 0)


def requests(_folder: Path) -> Target:
    """Start a server and make requests; none is answered with 500, and nothing ends."""
    server = _Server("--read-timeout", "0.3")

    def attempt(_name: str, data: bytes) -> object:
        answer = exchange(server.port, data)
        server.check(answer, answer.split(b" ", 2)[1:2] == [b"500"])
        return answer

    return Target(_good_requests(), attempt, server.process.pid)


def grpc_requests(_folder: Path) -> Target:
    """Start a server and send it messages, each to the method that its example is of."""
    import grpc

    from kerascnn.errors import KerascnnError

    server = _Server("--grpc-port", "0", "--max-body-mb", "1")
    channel = grpc.insecure_channel(server.grpc)
    internal = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED)

    def attempt(name: str, data: bytes) -> object:
        method = f"/inference.GRPCInferenceService/{name.partition('-')[0]}"
        try:
            if "Stream" in method:
                answer = b"".join(channel.stream_stream(method)(iter([data, data]), timeout=30))
            else:
                answer = channel.unary_unary(method)(data, timeout=30)
        except grpc.RpcError as error:
            server.check(error, error.code() in internal)
            raise KerascnnError(error.details() or "") from error
        server.check(answer, b"internal error" in answer)
        return answer

    return Target(_good_messages(), attempt, server.process.pid)


def _good_messages() -> dict[str, bytes]:
    from kerascnn.serving.endpoints.grpc_messages import write_message

    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    pixels = {"name": "image", "datatype": "UINT8", "shape": [1, 16, 16, 3]}
    asked = {"name": "probabilities", "parameters": {"classification": {"int64_param": 2}}}
    one: dict[str, Any] = {"model_name": MODEL, "id": "1", "outputs": [asked]}
    packed = {"name": "image", "datatype": "BYTES", "shape": [1],
              "contents": {"bytes_contents": [_text(file.getvalue())]}}  # fmt: skip
    bodies = {
        "raw": {**one, "inputs": [pixels], "raw_input_contents": [_text(bytes(768))]},
        "typed": {**one, "inputs": [{**pixels, "contents": {"uint_contents": [7] * 768}}]},
        "packed": {**one, "inputs": [packed]},
    }
    found = {
        f"{method}-{name}": write_message("ModelInferRequest", body)
        for method in ("ModelInfer", "ModelStreamInfer") for name, body in bodies.items()
    }  # fmt: skip
    named = ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics")
    found |= {name: write_message(f"{name}Request", {"name": MODEL}) for name in named}
    return found | {"RepositoryIndex": write_message("RepositoryIndexRequest", {"ready": True})}


def _text(content: bytes) -> str:
    """Encode bytes as protobuf's JSON has them."""
    return base64.b64encode(content).decode()


def _good_requests() -> dict[str, bytes]:
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 16, 16, 3]}
    infer = json.dumps({"id": "1", "inputs": [{**image, "data": [7] * 768}]}).encode()
    head = {**image, "parameters": {"binary_data_size": 768}}
    binary = json.dumps({"inputs": [head], "parameters": {"binary_data_output": True}}).encode()
    form = (b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n'
            + file.getvalue() + b"\r\n--x--\r\n")  # fmt: skip
    v1 = json.dumps({"instances": np.zeros((1, 4, 4, 3), int).tolist()}).encode()
    model = "/v2/models/old_run"
    return {
        "picture": _request("/predict", file.getvalue()),
        "json": _request(f"{model}/infer", infer, "Content-Type: application/json"),
        "binary": _request(f"{model}/infer", binary + bytes(768),
                           f"Inference-Header-Content-Length: {len(binary)}"),
        "form": _request("/predict", form, "Content-Type: multipart/form-data; boundary=x"),
        "v1": _request("/v1/models/old_run:predict", v1),
        "packed": _request(f"{model}/infer", gzip.compress(infer), "Content-Encoding: gzip"),
        "get": f"GET {model}/stats HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n".encode(),
    }  # fmt: skip


def _request(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, and give the first answer, or what came of it until the server closed."""
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", port), 60) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(data)
        while not _is_whole(answer) and (part := connection.recv(65_536)):
            answer += part
    return answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
    return bool(end and length) and len(body) >= int(length[1] if length else 0)


def _wait_until_ready(port: int) -> None:
    while b" 200 " not in exchange(port, b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n"):
        pass


TARGETS: dict[str, tuple[Callable[[Path], Target], int]] = {"requests": (requests, 3)}
"""What makes each, and how many of the inputs are its."""

if find_spec("grpc") and find_spec("google.protobuf"):
    TARGETS["grpc"] = (grpc_requests, 2)
