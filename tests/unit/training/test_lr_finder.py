"""The learning-rate range test."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn import training
from kerascnn.cli import main
from kerascnn.errors import ConfigError, TrainingError
from kerascnn.training import lr_finder as rates
from kerascnn.training.config import TrainConfig
from kerascnn.training.lr_finder import suggest

RATES = np.geomspace(1e-6, 1, 61)  # ten to each power of ten


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_lowest_loss() -> None:
    # Flat, then down in a line from 1e-4 to 1e-2, then up.
    steps = np.arange(61)
    losses = 2.0 - np.clip(steps - 20, 0, 20) / 20 + np.clip(steps - 40, 0, None) / 5
    losses[:5] = 0.1  # of the first steps nothing is believed
    found = suggest(RATES.tolist(), losses.tolist(), True)
    assert found.lowest == pytest.approx(1e-2)
    assert found.learning_rate == pytest.approx(1e-3)
    assert 1e-4 < found.steepest < 1e-2


def test_a_loss_that_is_never_a_number_is_an_error() -> None:
    with pytest.raises(TrainingError, match="not finite after 0 steps"):
        suggest([], [], True)


def test_the_command_draws_and_suggests_and_makes_no_run(tmp_path: Path) -> None:
    options = ["--model", "lenet5", "--optimizer", "sgd", "--accumulate", "2", "--batch-size", "32"]
    shown = CliRunner().invoke(main, ["train", *options, "--find-lr", "--plot", "p.png", "--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
    assert told["diverged"]
    assert told["learning_rate"] == pytest.approx(told["lowest"] / 10, rel=0.05)
    # A network without BatchNormalization learns at 0.01 and comes apart at 1.
    assert 0.003 < told["learning_rate"] < 0.1
    assert np.diff(np.log(told["rates"])) == pytest.approx(np.log(1e6) * 2 / 299, rel=1e-6)
    with Image.open("p.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 10


def test_find_lr_and_resume_exclude_each_other() -> None:
    shown = CliRunner().invoke(main, ["train", "--find-lr", "--resume", "--out", "r"])
    assert shown.exit_code == 2
    assert "--find-lr creates no run" in shown.stderr


def test_a_scope_that_is_left_open_is_refused() -> None:
    config = TrainConfig(model="resnet18", weights="there.weights.h5", trainable="auto")
    with pytest.raises(ConfigError, match=r"auto leaves that open.* its scope"):
        training.find_learning_rate(config)


def test_python_gives_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "STEPS", 20)
    found = training.find_learning_rate(TrainConfig(image_size=10, ema=0.9))
    assert isinstance(found, training.Suggestion)
    assert len(found.rates) == len(found.losses) <= 20
    assert found.rates[0] == pytest.approx(1e-6)
