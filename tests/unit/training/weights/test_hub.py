"""``--weights hf://OWNER/NAME``: pinned in config.json, and named in the card of the run."""

import json
import shutil
from pathlib import Path

import pytest

from kerascnn import hub, training
from kerascnn.errors import ConfigError
from kerascnn.hub import HubFile
from kerascnn.training import weights_location
from kerascnn.training.run.resume import resumed_config

COMMITS = ["a" * 40, "b" * 40]


@pytest.fixture
def commit(trained: Path, tmp_path: Path, monkeypatch) -> list[str]:
    """The Hub has the run's network at jane/clothes; the newest commit is the last of this list."""
    newest = COMMITS[:1]
    for name in ("model.keras", "card.json"):
        shutil.copy(trained / name, tmp_path / name)

    def fetch(address: str, _kinds: object) -> HubFile:
        at = address.partition("@")[2][:40] or newest[-1]
        return HubFile(tmp_path / "model.keras", "jane/clothes", at, "model.keras", "0" * 64)

    monkeypatch.setattr(weights_location, "fetch", fetch)
    return newest


def test_pinned_and_named(commit, trained) -> None:
    config = training.TrainConfig(out="run", model="cnn", weights="hf://jane/clothes", epochs=1)
    run = training.fit(config)
    address = f"hf://jane/clothes@{COMMITS[0]}/model.keras"
    assert json.loads(run.config_path.read_text(encoding="utf-8"))["weights"] == address
    assert run.card.versions["weights"] == f"{address} (SHA-256 {'0' * 64})"
    exported = training.export_onnx(run, "run.onnx")
    assert exported.card.versions["weights"] == run.card.versions["weights"]
    assert run.card.metrics["val_top1"] > 0.6  # it began with what it was given

    given = {"out": "run", "weights": "hf://jane/clothes"}
    assert resumed_config(given).weights == address
    commit.append(COMMITS[1])
    with pytest.raises(ConfigError, match="`weights` was hf://jane/clothes@a"):
        resumed_config(given)


def test_other_weights_ask_nobody(monkeypatch) -> None:
    monkeypatch.setattr(hub, "fetch", None)
    assert weights_location.pinned("imagenet") == "imagenet"
    assert weights_location.on_this_machine("a.keras") == Path("a.keras")
    assert weights_location.provenance("a.keras") == ""
