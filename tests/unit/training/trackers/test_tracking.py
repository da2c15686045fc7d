"""What trackers are told, that one that fails ends no run, and TensorBoard's own reader."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerascnn import training
from kerascnn.cli import main
from kerascnn.errors import ConfigError, KerascnnError, MissingExtraError
from kerascnn.training import trackers
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.trackers import tracking
from kerascnn.training.trackers.tensorboard_tracker import TensorBoard

RECORD = EpochRecord(1, 0.003, 1.0, 0.5, 0.9, 0.55, 4000, 1.5)


class Recorder:
    """A tracker that remembers what it was told, and fails when it is to."""

    def __init__(self, fails: str = "") -> None:
        self.told: list[tuple] = []
        self.fails = fails

    def _hear(self, *what: object) -> None:
        if what[0] == self.fails:
            raise ConnectionError("the server\nis gone")
        self.told.append(what)

    def begin(self, folder, options, known):
        self._hear("begin", bool(options), known)
        return known or {"id": "42"}

    def log(self, values, epoch):
        self._hear("log", epoch, values["loss/validation"])

    def finish(self, folder, card):
        self._hear("finish", (folder / "report.html").is_file(), card.metrics["val_top1"])

    def export(self, file, card):
        self._hear("export", file.name, card.parity.top1_mismatches)

    def end(self, succeeded):
        self._hear("end", succeeded)


@pytest.fixture
def recorder(monkeypatch) -> Recorder:
    one = Recorder()
    monkeypatch.setattr(trackers, "make_tracker", lambda _name: one)
    return one


def told(recorder: Recorder) -> list[str]:
    return [what[0] for what in recorder.told]


def test_a_run_and_its_export(recorder) -> None:
    run = training.fit(training.TrainConfig(out="run", epochs=1, track=("mlflow",)))
    assert told(recorder) == ["begin", "log", "finish", "end"]
    assert recorder.told[0] == ("begin", True, None)
    assert recorder.told[1] == ("log", 1, run.history[0].val_loss)
    assert recorder.told[2:] == [("finish", True, run.card.metrics["val_top1"]), ("end", True)]
    assert run.config.track == ("mlflow",)
    recorder.told.clear()
    training.export_onnx(run, "a.onnx")
    assert recorder.told == [
        ("begin", False, {"id": "42"}), ("export", "a.onnx", 0), ("end", True),
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"epochs": 2}', encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("moment", ["log", "end"])
def test_one_that_fails_is_named_once_and_left_out(moment, folder, monkeypatch, caplog) -> None:
    broken, whole = Recorder(moment), Recorder()
    made = {"mlflow": broken, "wandb": whole}
    monkeypatch.setattr(trackers, "make_tracker", made.get)
    with caplog.at_level(logging.WARNING, "kerascnn"), tracking(["mlflow", "wandb"]) as tracked:
        tracked.on_run_begin(folder, 0)
        tracked.on_epoch_end(RECORD, True)
        tracked.on_epoch_end(RECORD, True)
    assert told(whole) == ["begin", "log", "log", "end"]
    assert [one.getMessage() for one in caplog.records] == [
        "MLflow failed (ConnectionError: the server is gone); the run continues without it."
    ]


def test_one_that_cannot_begin_ends_the_run_before_it_learns(folder, monkeypatch) -> None:
    monkeypatch.setattr(trackers, "make_tracker", lambda _name: Recorder("begin"))
    message = r"MLflow cannot start a run \(ConnectionError: the server is gone\)"
    with pytest.raises(KerascnnError, match=message), tracking(["mlflow"]) as tracked:
        tracked.on_run_begin(folder, 0)


def test_a_run_that_goes_on_is_the_same_run(folder, recorder) -> None:
    for epochs_done in (0, 1):
        with tracking(["wandb"]) as tracked:
            tracked.on_run_begin(folder, epochs_done)
    assert [what[2] for what in recorder.told if what[0] == "begin"] == [None, {"id": "42"}]
    assert json.loads((folder / "tracking.json").read_text()) == {"wandb": {"id": "42"}}


def test_an_untracked_run_leaves_nothing(tmp_path) -> None:
    with tracking([]) as tracked:
        tracked.on_run_begin(tmp_path, 0)
        tracked.on_epoch_end(RECORD, True)
        tracked.on_run_end(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_is_closed_as_such(folder, recorder) -> None:
    with pytest.raises(KeyboardInterrupt), tracking(["wandb"]) as tracked:
        tracked.on_run_begin(folder, 0)
        raise KeyboardInterrupt
    assert recorder.told[-1] == ("end", False)


@pytest.mark.parametrize("name", ["mlflow", "wandb", "tensorboard"])
def test_one_that_is_not_installed(name: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'kerascnn\[{name}\]'"):
        trackers.make_tracker(name)


def test_no_such_tracker() -> None:
    with pytest.raises(ConfigError, match="mlflow, wandb, tensorboard"):
        training.TrainConfig(track=("comet",))
    done = CliRunner().invoke(main, ["train", "--track", "comet"])
    assert (done.exit_code, "mlflow, wandb, tensorboard" in done.output) == (2, True)


def test_tensorboard_has_every_number_of_every_epoch(folder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert isinstance(trackers.make_tracker("tensorboard"), TensorBoard)
    with tracking(["tensorboard"]) as tracked:
        tracked.on_run_begin(folder, 0)
        for epoch in (1, 2):
            tracked.on_epoch_end(
                EpochRecord(epoch, 0.003, 1 / epoch, 0.5, 0.9, 0.55, 4000, 1.5), True
            )
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    found = {
        tag: [(e.step, e.tensor_proto.float_val[0]) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }
    assert found["loss/training"] == [(1, 1.0), (2, 0.5)]
    assert found["accuracy/validation"] == [(1, pytest.approx(0.55)), (2, pytest.approx(0.55))]
    assert set(found) == set(trackers.scalars(RECORD))


def test_none_is_imported_unless_asked_for() -> None:
    code = (
        "import sys, kerascnn.training.config, kerascnn.cli.train, kerascnn.training.trackers;"
        "sys.exit(bool({'tensorboard', 'mlflow', 'wandb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
