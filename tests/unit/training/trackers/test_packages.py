"""MLflow and Weights & Biases as they are installed: in environments of their own, if anywhere."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from kerascnn import Classifier
from kerascnn.dataset import load_dataset
from kerascnn.inference.model_file.metadata import read_card
from kerascnn.training import trackers
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.trackers import track_export, tracking

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("default")]
"""What these packages warn of is theirs."""


def installed(name: str):
    """Import a package, or skip: it is not installed here, or not whole."""
    return pytest.importorskip(name, reason=f"{name} is not installed here", exc_type=ImportError)


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """What a run folder has at its end."""
    made = tmp_path / "clothes"
    made.mkdir()
    (made / "config.json").write_text('{"epochs": 2, "model": "cnn"}', encoding="utf-8")
    (made / "card.json").write_text(read_card(exported).to_json(), encoding="utf-8")
    (made / "report.html").write_text("<html></html>", encoding="utf-8")
    return made


def train(folder: Path, name: str, epochs: range) -> None:
    with tracking([name]) as tracked:
        tracked.on_run_begin(folder, epochs.start - 1)
        for epoch in epochs:
            tracked.on_epoch_end(EpochRecord(epoch, 0.1, 1 / epoch, 0.5, 0.9, 0.5, 9.0, 1.0), True)
        if epochs.stop == 3:
            tracked.on_run_end(folder)


def pictures(count: int) -> np.ndarray:
    found = load_dataset("fashion-mini").splits["test"].pictures
    return np.stack([found[number] for number in range(count)])


def test_mlflow(folder, exported, tmp_path, monkeypatch) -> None:
    mlflow = installed("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    train(folder, "mlflow", range(1, 2))
    train(folder, "mlflow", range(2, 3))  # resumed
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    track_export(folder, exported, read_card(exported))

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("kerascnn")
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "clothes")
    assert run.data.params == {"epochs": "2", "model": "cnn"}
    losses = client.get_metric_history(run.info.run_id, "loss/training")
    assert [(one.step, one.value) for one in losses] == [(1, 1.0), (2, 0.5)]
    assert run.data.metrics["val_top1"] == read_card(exported).metrics["val_top1"]
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"card.json", "report.html"} <= names

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    name = read_card(exported).name
    [version] = client.search_model_versions(f"name = '{name}'")
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/{version.version}")
    classifier = Classifier(exported)
    batch = pictures(8)
    ours = [classifier.classify(one, top_k=len(classifier.classes)) for one in batch]
    theirs = loaded.predict(batch)["probabilities"]
    assert [classifier.classes[index] for index in theirs.argmax(1)] == [one.label for one in ours]
    assert np.allclose(theirs.max(1), [one.probability for one in ours], atol=1e-6)

    # The application that `mlflow models serve` runs, without its server.
    client = pytest.importorskip("fastapi.testclient").TestClient
    server = importlib.import_module("mlflow.pyfunc.scoring_server")
    answer = client(server.init(loaded)).post("/invocations", json={"inputs": batch.tolist()})
    assert answer.status_code == 200, answer.text
    assert np.allclose(answer.json()["predictions"]["probabilities"], theirs, atol=1e-6)


def test_mlflow_that_is_gone_ends_no_run(folder, tmp_path, monkeypatch, caplog) -> None:
    installed("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with tracking(["mlflow"]) as tracked:
        tracked.on_run_begin(folder, 0)
        one = tracked._trackers["mlflow"]
        monkeypatch.setattr(one, "_run_id", "nobody knows it")
        tracked.on_epoch_end(EpochRecord(1, 0.1, 1.0, 0.5, 0.9, 0.5, 9.0, 1.0), True)
        tracked.on_epoch_end(EpochRecord(2, 0.1, 1.0, 0.5, 0.9, 0.5, 9.0, 1.0), True)
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("kerascnn")]
    assert len(ours) == 1
    assert ours[0].startswith("MLflow failed (")


def test_wandb_offline(folder, exported, tmp_path, monkeypatch) -> None:
    wandb = installed("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(folder, "wandb", range(1, 2))
    # wandb names a folder by the second: those of one second would take each other's place.
    places = [folder, tmp_path / "resumed", tmp_path / "exported"]
    for place in places[1:]:
        place.mkdir()
    monkeypatch.setenv("WANDB_DIR", str(places[1]))
    train(folder, "wandb", range(2, 3))
    monkeypatch.setenv("WANDB_DIR", str(places[2]))
    track_export(folder, exported, read_card(exported))
    wandb.teardown()  # what its process still has to write is written
    runs = [run for place in places for run in (place / "wandb").glob("offline-run-*")]
    assert len(runs) == 3
    assert len({one.name.rpartition("-")[2] for one in runs}) == 1  # the same run each time
    content = b"".join(one.read_bytes() for run in runs for one in run.glob("*.wandb"))
    artifact = f"{read_card(exported).name}-onnx".encode()
    for said in (b"loss/training", b"val_top1", b"report.html", artifact):
        assert said in content, said
    assert not (tmp_path / "wandb").exists()


def test_every_tracker_has_a_module() -> None:
    for name in trackers.TRACKERS:
        assert Path(trackers.__file__).with_name(f"{name}_tracker.py").is_file()
