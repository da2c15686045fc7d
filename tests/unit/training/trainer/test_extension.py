"""More epochs, where the training pictures are not learned by the last one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerascnn import training
from kerascnn.dataset import load_dataset
from kerascnn.errors import ModelFileError
from kerascnn.training.auto.hyperparameters import resolve_extend
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.checkpoint import latest_checkpoint
from kerascnn.training.run.folder import Run

OPTIONS: dict[str, Any] = {"model": "cnn", "image_size": 12, "batch_size": 8, "epochs": 2,
                           "learning_rate": 0.001, "augment": "shift", "random_crop": 0.8,
                           "extend": "yes", "deterministic": True}  # fmt: skip


class Watching(Callback):
    """Notes what is chosen; presses Ctrl-C when that happens, or in an epoch."""

    def __init__(self, stop: int | str | None = None) -> None:
        self.stop, self.chosen = stop, []  # type: ignore[var-annotated]

    def on_choice(self, option: str, value: str, reason: str) -> None:
        self.chosen.append((option, value))
        if self.stop == "chosen":
            raise KeyboardInterrupt

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        if self.stop == epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def shirts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write shirts and pullovers, which take more than two epochs to tell apart."""
    train = load_dataset("fashion-mini").splits["train"]
    chosen = np.concatenate([np.flatnonzero(train.labels == label)[:24] for label in (2, 6)])
    path = tmp_path_factory.mktemp("data") / "shirts.npz"
    pictures = np.stack([train.pictures[int(place)] for place in chosen])
    np.savez(path, x_train=pictures, y_train=np.repeat([0, 1], 24))
    return path


@pytest.fixture(scope="module")
def told(
    shirts: Path, tmp_path_factory: pytest.TempPathFactory, train_by_command: Any
) -> tuple[Run, str, str]:
    return train_by_command(shirts, tmp_path_factory.mktemp("whole") / "r", OPTIONS)


@pytest.fixture(scope="module")
def whole(told: tuple[Run, str, str]) -> Run:
    return told[0]


def test_it_is_said_before_and_when_it_happens(told: tuple[Run, str, str]) -> None:
    lines = told[1].splitlines()
    assert any(line.startswith("extend   as many epochs again if the") for line in lines)
    at = lines.index("auto     epochs: 4 (the training accuracy is below 97 %)")
    assert lines[at - 1].startswith("epoch 2/2 ")
    assert lines[at + 1].startswith("epoch 3/4 ")


def test_it_is_trained_for_as_many_epochs_again(whole: Run) -> None:
    rates = [record.learning_rate for record in whole.history]
    assert len(rates) == 4
    # So the configuration repeats the run.
    assert (whole.config.epochs, whole.config.extend) == (2, "yes")
    # At the end of the first plan the rate is next to 0; then it is in the middle of the second.
    assert rates[1] < 0.1 * OPTIONS["learning_rate"] < rates[2]
    assert whole.card.metrics["steps"] == 4 * 6


@pytest.mark.parametrize("stop", [2, "chosen", 3])
def test_stopped_anywhere_it_ends_as_without_the_stop(
    shirts: Path, whole: Run, tmp_path: Path, stop: int | str
) -> None:
    options = TrainConfig(str(shirts), out=str(tmp_path / "r"), **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        training.fit(options, Watching(stop))
    run = training.fit(options, Callback(), resume=True)
    assert [one.loss for one in run.history] == [one.loss for one in whole.history]
    pairs = zip(run.load_model().get_weights(), whole.load_model().get_weights(), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def test_what_is_learned_is_not_extended(tmp_path: Path) -> None:
    pictures = np.zeros((40, 12, 12, 3), np.uint8)
    pictures[20:] = 255
    np.savez(tmp_path / "easy.npz", x_train=pictures, y_train=np.repeat([0, 1], 20))
    options = OPTIONS | {"epochs": 6, "learning_rate": 0.01, "random_crop": 0.0}
    watching = Watching()
    run = training.fit(TrainConfig(str(tmp_path / "easy.npz"), out="easy", **options), watching)
    assert (len(run.history), run.config.epochs, run.config.extend) == (6, 6, "yes")
    assert not watching.chosen


def test_after_a_phase_that_ended_early_it_is_resumed_too(shirts: Path, tmp_path: Path) -> None:
    # The first phase changes nothing, so it is out of patience before its last epoch.
    plan = {"phase": ("head:6:1e-30", "all:2:0.003"), "patience": 2}
    options = {name: value for name, value in OPTIONS.items() if name != "epochs"} | plan
    config = TrainConfig(str(shirts), out=str(tmp_path / "r"), **options)
    with pytest.raises(KeyboardInterrupt):
        training.fit(config, Watching(7))
    assert len(Run(tmp_path / "r").history) == 6  # 3, and one after the extension of 2 to 4
    assert len(training.fit(config, Callback(), resume=True).history) == 7


def test_an_edited_number_of_epochs_is_not_taken_for_an_extension(
    whole: Run, tmp_path: Path
) -> None:
    options = OPTIONS | {"extend": "no", "epochs": 4}
    config = TrainConfig(str(whole.config.data), out=str(tmp_path / "r"), **options)
    with pytest.raises(KeyboardInterrupt):
        training.fit(config, Watching(4))
    run = Run(tmp_path / "r")
    run.config_path.write_text(run.config_path.read_text().replace('"epochs": 4', '"epochs": 2'))
    with pytest.raises(ModelFileError, match="It was edited"):
        training.fit(run.config, Callback(), resume=True)


def test_the_last_phase_is_extended_but_not_a_fitted_head(shirts: Path) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != "epochs"}
    run = training.fit(TrainConfig(str(shirts), phase=("head:1", "all:1"), out="p", **options))
    assert len(run.history) == 3
    plain = options | {"random_crop": 0.0, "augment": "none"}
    run = training.fit(TrainConfig(str(shirts), phase=("head:fit",), out="f", **plain))
    assert len(run.history) == 1


@pytest.mark.parametrize(
    ("options", "pictures", "extend"),
    [
        ({}, 300, "yes"),
        ({"model": "cnn4", "random_crop": 0.5}, 800, "yes"),
        ({"model": "cnn4"}, 3_600, "no"),  # minutes
        ({"model": "resnet18"}, 300, "no"),  # the same
        ({"epochs": 20}, 300, "no"),
        ({"time": "1m"}, 300, "no"),
        ({"phase": ("all:3",)}, 300, "no"),
        ({"model": "resnet50", "weights": "imagenet", "trainable": "auto"}, 300, "no"),
        ({"model": "resnet50", "weights": "imagenet", "trainable": "head"}, 300, "no"),
        ({"epochs": 20, "extend": "yes"}, 50_000, "yes"),
        ({"extend": "no"}, 300, "no"),
    ],
)
def test_auto_means_yes_for_a_quick_network_and_few_pictures(
    options: dict[str, Any], pictures: int, extend: str
) -> None:
    assert resolve_extend(TrainConfig(**options), pictures).extend == extend


def test_a_checkpoint_beyond_the_last_epoch_is_still_refused(whole: Run, tmp_path: Path) -> None:
    stopped = tmp_path / "r"
    options = OPTIONS | {"extend": "no"}
    data = str(whole.config.data)
    with pytest.raises(KeyboardInterrupt):
        training.fit(TrainConfig(data, out=str(stopped), **options), Watching(2))
    run = Run(stopped)
    text = run.config_path.read_text().replace('"epochs": 2', '"epochs": 1')
    run.config_path.write_text(text)
    assert latest_checkpoint(run.checkpoint_folder) is not None
    with pytest.raises(ModelFileError, match="It was edited"):
        training.fit(run.config, Callback(), resume=True)
