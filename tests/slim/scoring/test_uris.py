"""Pictures and models by URI, as fsspec reads them."""

import functools
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from kerascnn import uris
from kerascnn.errors import DataError, KerascnnError, MissingExtraError
from kerascnn.inference.prediction import to_row


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch) -> None:
    monkeypatch.setattr(uris, "PAUSE", 0.0)


@pytest.fixture
def store(pictures) -> Iterator[fsspec.AbstractFileSystem]:
    """The pictures in a store in memory, in a folder beside what is none."""
    memory = fsspec.filesystem("memory")
    for path in pictures:
        memory.pipe(f"/garden/{path}", Path(path).read_bytes())
    memory.pipe("/garden/p/notes.txt", b"")
    memory.pipe("/garden/.hidden/a.png", b"")
    yield memory
    memory.rm("/", recursive=True)


class Server(ThreadingHTTPServer):
    """Serves the files of the current folder, and counts; fails as often as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler))
        self.failures, self.asked = 0, 0
        self.heard = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind in ("redirect", "refuse", "silent"):
            self.answer_oddly(kind, rest)
            return
        path = Path(self.path.lstrip("/").partition("?")[0])
        failing = self.server.failures > 0
        self.server.failures -= failing
        data = path.read_bytes() if path.is_file() and not failing else b""
        self.send_response(503 if failing else 200 if path.is_file() else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET

    def answer_oddly(self, kind: str, rest: str) -> None:
        """Send elsewhere, refuse with a number, or take the request and say nothing."""
        if kind == "silent":
            self.server.heard.wait()
            return
        self.send_response(302 if kind == "redirect" else int(rest))
        self.send_header("Location", f"/{rest}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(pictures) -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.heard.set()
        serving.shutdown()
        thread.join()


def expected(classifier, pictures: list[str], before: str) -> list[dict]:
    rows = [
        to_row(path, answer)
        for path, answer in zip(pictures, classifier.stream(pictures), strict=True)
    ]
    return [
        {name: f"{before}{value}" if name in ("path", "error") else value
         for name, value in row.items()}
        for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pattern", ["memory://garden", "memory://garden/", "memory://garden/p/*.png"]
)
def test_a_folder_or_glob_and_a_model(
    pattern: str, store, pictures, score, rows, classifier, exported
) -> None:
    store.pipe("/models/flowers.onnx", exported.read_bytes())
    done = score(pattern, "--part", "0", model="memory://models/flowers.onnx")
    assert done.exit_code == 0, done.output
    assert rows() == expected(classifier, pictures, "memory:///garden/")


def test_changed_in_the_store(store, pictures, score, rows) -> None:
    score("memory://garden", "--parts", "2", "--part", "0")
    store.pipe(f"/garden/{pictures[7]}", b"other")
    store.rm(f"/garden/{pictures[8]}")
    store.pipe("/garden/p/new.png", b"new")
    done = score("memory://garden", "--part", "1")
    assert "1 changed" in done.output
    assert "1 removed" in done.output
    found = {Path(row["path"]).name: row.get("error", "") for row in rows()}
    assert "changed since the plan was made" in found["007.png"]
    assert "cannot be read (FileNotFoundError" in found["008.png"]
    assert "new.png" not in found
    assert "1 added" in score("memory://garden").output


def test_over_http_from_a_list(server, pictures, score, rows, classifier) -> None:
    listed = "".join(f"{server.url}/{path}\n" for path in pictures)
    done = score("-", "--part", "0", stdin=listed.encode())
    assert done.exit_code == 0, done.output
    assert rows() == expected(classifier, pictures, f"{server.url}/")


def test_a_server_that_fails_now_and_then(server, pictures, classifier) -> None:
    server.failures = 3
    assert uris.read(f"{server.url}/{pictures[0]}") == Path(pictures[0]).read_bytes()
    assert server.asked == 4
    server.failures = 99
    with pytest.raises(DataError, match=f"cannot be read in {uris.TRIES} tries"):
        uris.read(f"{server.url}/{pictures[0]}")
    server.asked = server.failures = 0
    with pytest.raises(DataError, match=r"cannot be read \(FileNotFoundError"):
        uris.read(f"{server.url}/missing.png")
    assert server.asked == 1  # another try would not bring it


def test_redirects_and_queries(server, pictures) -> None:
    data = Path(pictures[0]).read_bytes()
    for path in (f"redirect/{pictures[0]}", f"{pictures[0]}?width=[1]*2"):
        [(uri, size)] = uris.listed(f"{server.url}/{path}", lambda _name: False)
        assert (uri, size) == (f"{server.url}/{path}", len(data))
        assert uris.read(uri) == data


@pytest.mark.parametrize(
    ("status", "tries"),
    [(400, 1), (401, 1), (404, 1), (410, 1), (429, uris.TRIES), (500, uris.TRIES)],
)
def test_only_what_may_pass_is_tried_again(status: int, tries: int, server) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        uris.read(f"{server.url}/refuse/{status}")
    assert server.asked == tries


def test_a_server_that_says_nothing(server, monkeypatch) -> None:
    monkeypatch.setattr(uris, "SILENT", 0.05)
    with pytest.raises(DataError, match=f"cannot be read in {uris.TRIES} tries"):
        uris.read(f"{server.url}/silent/a.png")
    assert server.asked <= uris.TRIES  # on a busy machine, some are given up before they are sent


@pytest.mark.parametrize(
    ("scheme", "package"),
    [("gs", "gcsfs"), ("s3", "s3fs"), ("abfs", "adlfs"), ("hf", "huggingface_hub")],
)
def test_the_package_that_is_missing_is_named(scheme: str, package: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(_registry, scheme, raising=False)
    with pytest.raises(KerascnnError, match=package) as told:
        uris.read(f"{scheme}://garden/a.png")
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("scheme", ["gs", "hf", "s3"])
def test_a_stand_in_for_a_store(
    scheme: str, pictures, score, rows, classifier, monkeypatch
) -> None:
    """Any store that fsspec knows: what is typed, listed and answered keeps its scheme."""

    class Held(MemoryFileSystem):
        protocol = scheme
        store: ClassVar[dict[str, object]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return super()._strip_protocol(path.removeprefix(f"{scheme}://"))

    monkeypatch.setitem(_registry, scheme, Held)
    for path in pictures:
        Held().pipe(f"{scheme}://garden/{path}", Path(path).read_bytes())
    done = score(f"{scheme}://garden/p/", "--part", "0")
    assert done.exit_code == 0, done.output
    assert rows() == expected(classifier, pictures, f"{scheme}:///garden/")


def test_what_cannot_be_opened(monkeypatch, score, pictures) -> None:
    with pytest.raises(KerascnnError, match="Expected a URI that fsspec can open here"):
        uris.read("nosuch://bucket/a.png")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kerascnn\[remote\]'"):
        uris.read("s3://bucket/a.png")
    done = score("s3://bucket/a.png")
    assert (done.exit_code, "kerascnn[remote]" in done.output) == (1, True)


@pytest.mark.parametrize("path", ["rose.jpg", "C:/rose.jpg", "a://b", "/data/rose.jpg", ""])
def test_paths_are_no_uris(path: str) -> None:
    assert not uris.is_uri(path)
