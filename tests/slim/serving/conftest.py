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
http = httpx.Client(verify=False, timeout=100, limits=httpx.Limits(max_keepalive_connections=0))

PATIENT = ("--timeout", "1000", "--read-timeout", "1000", "--grace", "1000")
"""What servers are started with, so that none gives up because the machine is busy."""

# The command, with one function held: each call waits while the file `shut` is there, and leaves
# a byte in the file `calls`. If the test is gone, nobody waits any longer.
GATED = """
import os, sys, time
from pathlib import Path
from kerascnn import images
from kerascnn.cli import main
from kerascnn.inference.classifier import Classifier

folder, held = Path(sys.argv.pop(1)), sys.argv.pop(1)
home = {"decode": images, "run": Classifier}[held]
work, parent = getattr(home, held), os.getppid()

def gated(*arguments, **options):
    with (folder / "calls").open("a") as calls:
        calls.write(".")
    while (folder / "shut").exists() and os.getppid() == parent:
        time.sleep(0.01)
    return work(*arguments, **options)

setattr(home, held, gated)
main()
"""


class Gate:
    """Holds what a server does: it goes on when the test says so, and not after some seconds."""

    def __init__(self, folder: Path) -> None:
        self._shut, self._calls = folder / "shut", folder / "calls"

    @property
    def calls(self) -> int:
        """How often the function was called so far."""
        return self._calls.stat().st_size if self._calls.exists() else 0

    def shut(self) -> None:
        self._shut.touch()

    def open(self) -> None:
        self._shut.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        self.shut()
        try:
            yield
        finally:
            self.open()


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen, log: Path, gate: Gate) -> None:
        self.process, self._log, self.gate = process, log, gate
        line = process.stderr.readline()
        assert "serving" in line, line + process.stderr.read()
        self.url = line.split()[-1]
        self.grpc = line.partition("grpc://")[2].partition(" ")[0]
        self.host, self.port = self.url.partition("://")[2].rsplit(":", 1)

    @property
    def address(self) -> str:
        """As tritonclient wants it."""
        return f"{self.host}:{self.port}"

    def connect(self, timeout: float = 100) -> socket.socket:
        return socket.create_connection((self.host, int(self.port)), timeout)

    def log(self) -> list[dict]:
        """The whole lines of the access log so far."""
        whole = self._log.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in whole]

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
        return self.process.wait(100)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so; the limit only ends a test that has failed."""
    end = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def serving(environment, tmp_path_factory) -> Callable[..., object]:
    """Start a server with some options, wait until it is ready, and stop it at the end.

    ``hold`` is ``decode`` or ``run``: what its gate can hold, decoding a picture or running the
    network. With ``shut`` it is held from the start, so the server does not become ready. ``env``
    are variables of its environment.
    """

    @contextmanager
    def run(
        *arguments: str | Path,
        hold: str = "",
        shut: bool = False,
        env: dict[str, str] | None = None,
    ) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("serve")
        log, gate = folder / "access.jsonl", Gate(folder)
        program = ["-c", GATED, str(folder), hold] if hold else ["-m", "kerascnn"]
        options = [*PATIENT, *map(str, arguments), "--port", "0"]
        command = [sys.executable, *program, "serve", *options]
        if shut:
            gate.shut()
        with (
            log.open("w") as stdout,
            subprocess.Popen(
                command,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                env=environment | (env or {}),
            ) as process,
        ):
            try:
                server = Server(process, log, gate)
                if not shut:
                    wait_for(lambda: http.get(f"{server.url}/v2/health/ready").status_code == 200)
                yield server
            finally:
                gate.open()
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    try:
                        process.wait(100)
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
    grays = [Image.fromarray(np.asarray(split[number * 11])).convert("RGB") for number in range(40)]
    return np.stack([np.asarray(gray) for gray in grays])


def encoded(picture: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def content(pictures) -> bytes:
    """A picture as a file."""
    return encoded(pictures[0])


def post(server: Server, content: bytes) -> httpx.Response:
    """Ask for a picture to be classified."""
    return http.post(f"{server.url}/predict", content=content)


def exchange(server: Server, data: bytes, half_close: bool = False) -> tuple[int, dict]:
    """Send bytes as they are, and give status and JSON of the answer."""
    with closing(server.connect()) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may be there all the same
        return receive(connection)


def receive(connection: socket.socket) -> tuple[int, dict]:
    """Give status and JSON of an answer."""
    with connection.makefile("rb") as answer:
        status = int(answer.readline().split()[1])
        headers = dict(
            line.decode().strip().lower().split(": ", 1) for line in iter(answer.readline, b"\r\n")
        )
        return status, json.loads(answer.read(int(headers["content-length"])))
