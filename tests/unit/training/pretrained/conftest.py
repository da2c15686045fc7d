"""A server that stands for the libraries' own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kerascnn.training.pretrained import PRETRAINED
from kerascnn.training.pretrained.catalog import LibraryFile
from kerascnn.training.pretrained.fetching import MIRROR, OFFLINE, STORE

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 4000


class Store:
    """What the server has, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[str]()

    def offer(self, name: str, data: bytes) -> None:
        """Put a network's file where its address says."""
        source = PRETRAINED[name]
        assert isinstance(source, LibraryFile)
        path = self.folder / source.url.removeprefix(STORE + "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class _Handler(SimpleHTTPRequestHandler):
    store: Store

    def do_GET(self) -> None:
        self.store.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_parts: object) -> None:
        """Say nothing."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The server, named by the mirror's variable; the caches are empty, the network allowed."""
    folder = tmp_path / "store"
    folder.mkdir()
    found = Store(folder)
    handler = type("Handler", (_Handler,), {"store": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv(MIRROR, f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(OFFLINE)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    yield found
    server.shutdown()
    thread.join()
    server.server_close()
