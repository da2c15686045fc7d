"""A stand-in of the Hub, and huggingface_hub as it is installed, with its settings for a test."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants

from kerascnn.cli import main

from .stand_in import WRITER, Repo, StandIn


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A stand-in without repositories; its owner is logged in."""
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("KERASCNN_OFFLINE", "0")
        monkeypatch.setenv("HF_TOKEN", WRITER)
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        settings = {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            "HF_HUB_DISABLE_XET": True,  # its protocol is not that of HTTP alone
            "HF_HUB_OFFLINE": False,
        }
        for name, value in settings.items():
            monkeypatch.setattr(constants, name, value)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def flowers(hub: StandIn, exported: Path) -> str:
    """A repository with two commits, of which the first has the model."""
    repo = hub.repos.setdefault("jane/flowers", Repo())
    first = repo.commit("main", {"clothes.onnx": exported.read_bytes(), "card.json": b"{}"}, "one")
    repo.commit("main", {"notes.txt": b"more"}, "two")
    return first


@pytest.fixture
def file(exported: Path) -> Path:
    """The exported file, as ``clothes.onnx`` in the current folder."""
    return Path(shutil.copy(exported, "clothes.onnx"))


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the command in this process."""
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))
