"""What the server's tests share: servers as their users start them, and pictures."""

import io
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset import load_dataset

pytest.importorskip("starlette", reason="needs the extra serve")

# httpx' own functions load certificates at every call, which takes longer than the call.
http = httpx.Client(verify=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process, self._log = process, log
        line = process.stderr.readline()
        assert "serving" in line, line + process.stderr.read()
        self.url = line.split()[-1]
        self.host, self.port = self.url.removeprefix("http://").rsplit(":", 1)

    @property
    def address(self) -> str:
        """As tritonclient wants it."""
        return f"{self.host}:{self.port}"

    def connect(self, timeout: float = 20) -> socket.socket:
        return socket.create_connection((self.host, int(self.port)), timeout)

    def log(self) -> list[dict]:
        """The access log so far."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 if it is not there yet."""
        found = 0.0
        for line in http.get(f"{self.url}/metrics").text.splitlines():
            key, _, value = line.rpartition(" ")
            wanted = all(f'{label}="{text}"' in key for label, text in labels.items())
            if key.partition("{")[0] == f"kerascnn_{name}" and wanted:
                found += float(value)
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def serving(environment, tmp_path_factory) -> Callable[..., object]:
    """Start a server with some options, wait until it is ready, and stop it at the end."""

    @contextmanager
    def run(*arguments: str | Path, token: str | None = None) -> Iterator[Server]:
        log = tmp_path_factory.mktemp("serve") / "access.jsonl"
        command = [sys.executable, "-m", "kerascnn", "serve", *map(str, arguments), "--port", "0"]
        with log.open("w") as stdout, subprocess.Popen(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:  # fmt: skip
            try:
                server = Server(process, log)
                wait_for(lambda: http.get(f"{server.url}/v2/health/ready").status_code == 200)
                yield server
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    try:
                        process.wait(30)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        raise

    return run


@pytest.fixture(scope="module")
def server(serving, exported) -> Iterator[Server]:
    """One server with default options for the tests of a file."""
    with serving(exported) as running:
        yield running


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Some real pictures, uint8 ``[40, 28, 28, 3]``."""
    split = load_dataset("fashion-mini").splits["test"].pictures
    greys = [Image.fromarray(np.asarray(split[number * 11])).convert("RGB") for number in range(40)]
    return np.stack([np.asarray(grey) for grey in greys])


def encoded(picture: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form)
    return file.getvalue()


@pytest.fixture(scope="session")
def slow_picture() -> bytes:
    """Some kilobytes that take a good part of a second to decode: 24 million pixels."""
    file = io.BytesIO()
    Image.new("RGB", (6000, 4000), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


def exchange(server: Server, data: bytes, half_close: bool = False) -> tuple[int, dict]:
    """Send bytes as they are, and give status and JSON of the answer."""
    with closing(server.connect()) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may be there all the same
        with connection.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            headers = dict(
                line.decode().strip().lower().split(": ", 1)
                for line in iter(answer.readline, b"\r\n")
            )
            return status, json.loads(answer.read(int(headers["content-length"])))
