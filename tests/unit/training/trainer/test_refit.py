"""The second training on all pictures: what it learns from, and who takes which network."""

import gc
import json
import logging
import re
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerascnn import training
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.evaluation import evaluate_file
from kerascnn.report.content import Content
from kerascnn.report.file_report import report_file
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.distribution.processes import check_cluster
from kerascnn.training.distribution.rendezvous import Cluster
from kerascnn.training.export import export_onnx
from kerascnn.training.phases import total_epochs
from kerascnn.training.run.checkpoint import latest_checkpoint
from kerascnn.training.run.folder import Run
from kerascnn.training.weights.start import StartingNetwork, start_network

OPTIONS: dict[str, Any] = {"image_size": 12, "epochs": 12, "batch_size": 8, "learning_rate": 0.004,
                           "augment": "shift", "deterministic": True}  # fmt: skip


def write(path: Path, each: int, val: int = 0, first: int = 0) -> Path:
    """Write so many pictures of four easy classes, and some more for validation."""
    found = load_dataset("fashion-mini").splits["train"]
    arrays: dict[str, Any] = {}
    for name, start, many in (("train", first, each), ("val", first + each, val)):
        chosen = [np.flatnonzero(found.labels == k)[start : start + many] for k in (1, 5, 7, 8)]
        places = np.concatenate(chosen)
        if many:
            arrays[f"x_{name}"] = np.stack([found.pictures[int(place)] for place in places])
            arrays[f"y_{name}"] = np.repeat(np.arange(4), many)
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "five.npz", 5)


@pytest.fixture(scope="module")
def told(
    five: Path, tmp_path_factory: pytest.TempPathFactory, train_by_command: Any
) -> tuple[Run, str, str]:
    return train_by_command(five, tmp_path_factory.mktemp("runs") / "r", OPTIONS)


@pytest.fixture
def run(told: tuple[Run, str, str]) -> Run:
    return told[0]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    return caplog


def weights(run: Run) -> list[np.ndarray]:
    return run.load_model().get_weights()


def test_the_second_network_is_that_of_a_run_with_all_pictures(run: Run, tmp_path: Path) -> None:
    splits = run_dataset(run.config).splits
    pictures = [(s.pictures[n], s.labels[n]) for s in (splits["train"], splits["val"])
                for n in range(len(s))]  # fmt: skip
    x, y = (np.stack(part) for part in zip(*pictures, strict=True))
    np.savez(tmp_path / "all.npz", x_train=x, y_train=y, x_val=x[16:], y_val=y[16:])
    other = training.fit(TrainConfig(str(tmp_path / "all.npz"), out="other", **OPTIONS))
    whole = latest_checkpoint(other.checkpoint_folder)
    second = latest_checkpoint(run.second.checkpoint_folder)
    assert whole is not None and second is not None
    assert second.data["splits"]["train"]["pictures"] == 20
    for one, two in zip(second.core, whole.core, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not all(map(np.array_equal, weights(run), weights(run.second)))


def test_it_is_said_before_and_after(told: tuple[Run, str, str]) -> None:
    _, stderr, stdout = told
    assert "refit    then a second network, on all 20 pictures, for export\n" in stderr
    assert stderr.count("epoch ") == stderr.count("  val accuracy ") == 12
    assert "\nFor export, a second network has learned from all 20 pictures; the accuracy" in stdout


def test_all_figures_are_of_the_first_network(run: Run) -> None:
    found = training.evaluate_run(run)
    assert (found.split, found.images) == ("val", 4)
    assert found.top1 == run.card.metrics["val_top1"]
    assert found.reliability.nll == pytest.approx(run.card.metrics["val_nll"], rel=1e-4)
    assert "refit" not in run.card.data


def test_the_second_is_exported_proven_and_warned_of(run: Run, five: Path, log: Any) -> None:
    done = export_onnx(run, "r.onnx")
    assert (done.parity.top1_mismatches, done.parity.data) == (0, "five.npz (val, learned)")
    assert done.card.weights_sha256 == run.second.card.weights_sha256 != run.card.weights_sha256
    assert done.card.metrics == run.card.metrics
    assert done.card.data["refit"]
    assert not log.records
    assert evaluate_file("r.onnx", five).top1 > 0.5
    assert "(20 of the 20 training pictures that its card remembers)" in log.text
    log.clear()
    training.evaluate_run(run)  # the first network, on its validation pictures
    evaluate_file("r.onnx", write(Path("five.npz"), 5, first=5))  # of the same name
    assert not log.records


def test_a_report_of_the_file_has_no_results_of_the_first_network(
    run: Run, five: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_onnx(run, "r.onnx")
    shown: list[Content] = []
    monkeypatch.setattr(
        "kerascnn.report.file_report.render_page", lambda content: str(shown.append(content))
    )
    report_file(Classifier("r.onnx"), five, "r.html")
    assert shown[0].learning is None
    assert shown[0].facts["Data"]["name"] == five.name


class CtrlC(Callback):
    """Presses Ctrl-C in an epoch of the second training."""

    second = False

    def on_refit_begin(self, pictures: int) -> None:
        self.second = True

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        if self.second and epoch == 5:
            raise KeyboardInterrupt


def test_resumed_in_the_second_training_it_ends_as_without_the_stop(
    run: Run, five: Path, log: Any
) -> None:
    options = TrainConfig(str(five), out="stopped", **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        training.fit(options, CtrlC())
    stopped = Run(Path("stopped"))
    assert not stopped.is_finished
    log.clear()
    assert export_onnx(stopped, "s.onnx").card.weights_sha256 == run.card.weights_sha256
    assert "its second training, on all pictures, is not finished" in log.text
    training.fit(options, Callback(), resume=True)
    assert stopped.is_finished
    assert stopped.card == replace(run.card, name="stopped")
    assert stopped.second.card == replace(run.second.card, name="stopped")
    for one, two in zip(weights(stopped.second), weights(run.second), strict=True):
        np.testing.assert_array_equal(one, two)


class Diverging(Callback):
    """Gives the second training a rate and a decay by which weights grow a hundredfold a step."""

    def on_run_begin(self, folder: Path, done: int) -> None:
        self.run = Run(folder)

    def on_work(self, what: Any, done: int, total: int) -> None:
        if "report" in str(what):
            values = json.loads(self.run.config.to_json())
            values |= {"learning_rate": 99.0, "weight_decay": 0.999}
            self.run.config_path.write_text(json.dumps(values))


def test_a_second_training_that_diverges_leaves_the_first_network(five: Path, log: Any) -> None:
    run = training.fit(TrainConfig(str(five), out="r", **OPTIONS), Diverging())
    told = (
        r"the second training, on all pictures, failed: the loss is (nan|inf) .* The first network"
    )
    assert re.search(told, log.text)
    assert run.is_finished
    assert run.exported == run
    done = export_onnx(run, "r.onnx")
    assert done.card.weights_sha256 == run.card.weights_sha256
    assert "refit" not in done.card.data


@pytest.mark.parametrize(
    ("each", "val", "options"),
    [(5, 0, {"refit": "no"}), (5, 1, {}), (5, 0, {"val": "five.npz"}), (9, 0, {})],
    ids=["no", "own split", "other data", "nine each"],
)
def test_there_is_none_unless_pictures_are_missed(
    each: int, val: int, options: dict[str, Any], run: Run
) -> None:
    data = write(Path("five.npz"), each, val)
    shutil.copytree(run.folder, "r")  # whose second network must not stay
    asked = TrainConfig(str(data), out="r", **OPTIONS | {"epochs": 1} | options)
    done = training.fit(asked, Callback(), overwrite=True)
    assert done.config.refit == "no"
    assert done.exported == done
    assert not [*done.second.folder.rglob("*.*")]


def test_eight_each_are_still_few_by_default() -> None:
    data = write(Path("eight.npz"), 8)
    asked = TrainConfig(str(data), out="r", **OPTIONS | {"epochs": 1})
    assert training.fit(asked, Callback()).config.refit == "yes"


def test_what_has_not_learned_learns_nothing_else() -> None:
    pictures = np.load(write(Path("clothes.npz"), 10))["x_train"]
    np.savez("twice.npz", x_train=np.repeat(pictures, 2, axis=0), y_train=np.arange(80) % 2)
    asked = TrainConfig("twice.npz", out="r", refit="yes", **OPTIONS | {"epochs": 2})
    assert not training.fit(asked, Callback()).second.folder.exists()


def test_asked_for_it_takes_validation_data_crops_and_the_epochs_of_the_first() -> None:
    data = write(Path("eight.npz"), 8, 3)
    options = OPTIONS | {"phase": ("head:1", "all:30"), "patience": 2, "random_crop": 0.5}
    del options["epochs"]
    run = training.fit(TrainConfig(str(data), out="r", refit="yes", **options), Callback())
    checkpoint = latest_checkpoint(run.second.checkpoint_folder)
    assert checkpoint is not None
    assert checkpoint.data["splits"]["train"]["pictures"] == 44
    assert len(checkpoint.history) == len(run.history) == total_epochs(run.second.config) < 31
    assert checkpoint.history[-1].learning_rate == pytest.approx(0, abs=1e-6)


def test_the_first_network_is_freed_before_it(five: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[weakref.ref[object]] = []
    alive: list[object] = []

    def noted(*values: Any) -> StartingNetwork:
        start = start_network(*values)
        first.append(weakref.ref(start.core))
        return start

    def look(*_: object) -> None:
        gc.collect()
        alive.append(first[0]())

    monkeypatch.setattr("kerascnn.training.setup.start_network", noted)
    monkeypatch.setattr("kerascnn.training.one_run.refit", look)
    training.fit(TrainConfig(str(five), out="r", refit="yes", **OPTIONS), Callback())
    assert alive == [None]


def test_configurations_of_versions_without_it_stay_without_it(run: Run) -> None:
    values = json.loads(run.config.to_json())
    del values["refit"]
    assert TrainConfig.from_json(json.dumps(values), "config.json").refit == "no"


def test_several_processes_refuse_it() -> None:
    with pytest.raises(ConfigError, match="`distributed` cannot be combined with `refit` yes"):
        check_cluster(Cluster("localhost:1", 2, 0), TrainConfig(refit="yes"))
