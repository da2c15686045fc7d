"""Weights of the libraries: listed, fetched and checked; the network is a server of the test."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kerascnn.cli import main
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.training.networks import NETWORKS
from kerascnn.training.pretrained import PRETRAINED, cached, ensure, fetch, fetching
from kerascnn.training.pretrained.catalog import HubPreset, LibraryFile
from kerascnn.training.pretrained.fetching import MIRROR, OFFLINE

from .conftest import HDF5, Store

NAME = "mobilenet_v3_large"


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["weights", *words])


def test_every_network_with_imagenet_weights_has_a_source() -> None:
    assert list(PRETRAINED) == [row.name for row in NETWORKS.values() if row.imagenet]
    for source in PRETRAINED.values():
        if isinstance(source, LibraryFile):
            assert source.url.startswith(fetching.STORE)


def test_what_is_fetched_is_checked_kept_and_not_fetched_again(
    store: Store, known: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    known(NAME, HDF5)
    store.offer(NAME, HDF5)
    assert cached(NAME) is None
    first = run("fetch", NAME)
    assert first.exit_code == 0, first.output
    assert "fetched, its checksum matches the library's" in first.output
    path = cached(NAME)
    assert path is not None and path.is_relative_to(tmp_path / "keras" / "models")
    assert path.read_bytes() == HDF5
    assert "there already" in run("fetch", NAME).output
    assert len(store.asked) == 1
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows[NAME] == {
        "name": NAME, "source": "keras.applications", "cached": True, "path": str(path),
    }  # fmt: skip
    assert not rows["resnet50"]["cached"]
    assert "resnet50             keras.applications  not on this machine" in run("list").output


def test_progress_counts_bytes(store: Store, known: Callable[[str, bytes], None]) -> None:
    known(NAME, HDF5)
    store.offer(NAME, HDF5)
    told: list[tuple[int, int]] = []
    fetch(NAME, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(HDF5), len(HDF5))
    assert told == sorted(told) and len(told) > 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (NAME, HDF5, "its md5 is .*, expected 59e551e166be033d707958cf9e29a6a7"),
        # Of these the library names no checksum.
        ("mobilenet_v2", b"<html>Log in to this network</html>", "not HDF5"),
        ("mobilenet_v2", b"", "not HDF5"),
    ],
)
def test_another_file_is_refused_and_what_was_there_stays(
    name: str, data: bytes, message: str, store: Store
) -> None:
    before = fetching.place_of(PRETRAINED[name])  # type: ignore[arg-type]
    before.parent.mkdir(parents=True)
    before.write_bytes(b"before")
    store.offer(name, data)
    with pytest.raises(ModelFileError, match=message):
        fetch(name)
    assert before.read_bytes() == b"before"
    assert list(before.parent.iterdir()) == [before]


def test_a_damaged_file_in_the_cache_counts_as_none(
    store: Store, known: Callable[[str, bytes], None]
) -> None:
    known(NAME, HDF5)
    store.offer(NAME, HDF5)
    path = ensure(NAME)
    path.write_bytes(HDF5[:-1])
    assert cached(NAME) is None
    assert ensure(NAME).read_bytes() == HDF5


@pytest.fixture
def cut_short() -> Iterator[str]:
    """Say that more comes than does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(HDF5)))
            self.end_headers()
            self.wfile.write(HDF5[:-10])

        def log_message(self, *_parts: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("store")
def test_a_connection_that_ends_early_is_told(
    cut_short: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR, cut_short)
    with pytest.raises(ModelFileError, match="the connection ended 10 bytes too early"):
        fetch("mobilenet_v2")
    assert cached("mobilenet_v2") is None


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("name", [NAME, "vgg16", "efficientnetv2_s"])
def test_what_the_server_does_not_have_is_one_line(name: str) -> None:
    done = run("fetch", name)
    assert done.exit_code == 1
    assert "the server returned status 404" in done.output
    assert f"kerascnn weights fetch {name}" in done.output
    assert done.output.count("\n") == 1


@pytest.mark.usefixtures("store")
def test_nobody_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        monkeypatch.setenv(MIRROR, f"http://127.0.0.1:{closed.getsockname()[1]}")
        done = run("fetch", NAME)
    assert done.exit_code == 1
    assert "refused" in done.output and done.output.count("\n") == 1


@pytest.mark.usefixtures("store")
def test_a_network_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PATIENCE", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes the connection and says nothing
        monkeypatch.setenv(MIRROR, f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.perf_counter()
        with pytest.raises(ModelFileError, match=r"no response within 0\.2 seconds"):
            fetch(NAME)
    # Far from the 30 seconds after which a connection counts as stalled.
    assert time.perf_counter() - began < fetching.STALLED / 2


def test_patience_is_what_the_manual_says() -> None:
    assert fetching.PATIENCE == 3


@pytest.mark.parametrize("name", [NAME, "resnet18"])
def test_offline_asks_nobody(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE, "1")

    def asked(*_words: object, **_more: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("urllib.request.urlopen", asked)
    with pytest.raises(ModelFileError, match="KERASCNN_OFFLINE is set"):
        ensure(name)
    assert store.asked == []


def test_a_preset_of_keras_hub_is_found_in_kaggles_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    source = PRETRAINED["resnet18"]
    assert isinstance(source, HubPreset)
    folder = tmp_path / "models" / source.handle
    for version in ("9", "10", "11"):
        (folder / version).mkdir(parents=True)
        (folder / version / "config.json").write_text("{}")
        if version != "11":  # half fetched
            (folder / version / "model.weights.h5").write_bytes(HDF5)
    assert cached("resnet18") == folder / "10"


@pytest.mark.parametrize("name", ["cnn", "resnet34"])
def test_networks_without_imagenet_weights_are_said_to_have_none(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no ImageNet weights for {name}"):
        cached(name)
    assert run("fetch", name).exit_code == 2
