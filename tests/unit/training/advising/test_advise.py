"""Advice through its public doors, on real pictures."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from kerascnn import training
from kerascnn.cli import main
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError, DataError
from kerascnn.training import TrainConfig
from kerascnn.training.networks.blocks import flat
from kerascnn.training.run.folder import Run


def few(path: Path, per_class: int, classes: int = 4, invert: bool = False) -> str:
    split = load_dataset("fashion-mini").splits["train"]
    labels = np.asarray(split.labels)
    places = np.concatenate(
        [np.flatnonzero(labels == label)[-per_class:] for label in range(classes)]
    )
    pictures = np.stack([np.asarray(split.pictures[int(place)]) for place in places])
    np.savez(path, x_train=255 - pictures if invert else pictures, y_train=labels[places])
    return str(path)


def asked(data: str, trained: Path, *options: str) -> Result:
    weights = str(trained / "model.keras")
    return CliRunner().invoke(main, ["advise", data, "--weights", weights, *options])


def shortened(command: str) -> list[str]:
    """The arguments of an advised command, with two epochs a phase: whether it works shows soon."""
    words = command.split()
    assert words[:2] == ["kerascnn", "train"]
    assert "--phase" in words
    return [
        re.sub(r":\d+$", ":2", word) if before == "--phase" else word
        for before, word in pairwise(words)
    ]


def test_its_json_its_figure_and_its_command(trained: Path, tmp_path: Path) -> None:
    data = few(tmp_path / "few.npz", 20)
    found = asked(data, trained, "--json", "--figure", "advice.png")
    assert found.exit_code == 0, found.output
    advice = json.loads(found.stdout)
    low, high = advice["expected_top1"]
    assert 0 <= low < high <= 1
    assert advice["phases"] and advice["reasons"]
    assert advice["scope"] in ("head", "all")
    assert [stage["name"] for stage in advice["facts"]["stages"]] == ["block1", "block2", "hidden"]
    assert advice["facts"]["stages"][-1]["probe"] > 0.7
    assert Path("advice.png").read_bytes().startswith(b"\x89PNG")
    assert " --model cnn " in advice["command"], "the network that the weights are for"
    words = shortened(advice["command"])
    options = CliRunner().invoke(main, [*words, "--out", "run", "--no-calibration"])
    assert options.exit_code == 0, options.output


def test_pictures_unlike_those_learned_look_less_similar(trained: Path, tmp_path: Path) -> None:
    weights = str(trained / "model.keras")

    def similarity(name: str, invert: bool) -> float:
        data = few(tmp_path / name, 40, 10, invert)
        return training.advise(
            TrainConfig(data=data, model="cnn", weights=weights)
        ).facts.similarity

    assert similarity("same.npz", False) > similarity("inverted.npz", True)


def test_auto_writes_down_what_was_decided(trained: Path, tmp_path: Path) -> None:
    data = few(tmp_path / "few.npz", 20)
    weights = str(trained / "model.keras")
    config = TrainConfig(data=data, weights=weights, trainable="auto", epochs=1, out="run")
    run = training.fit(config)
    stored = run.config
    advice = training.advise(config)
    assert stored.trainable == advice.scope
    assert "auto" not in (stored.trainable, *stored.phase)
    resumed = CliRunner().invoke(main, ["train", "--out", "run", "--resume"])
    assert resumed.exit_code == 0, resumed.output


@pytest.fixture
def useless(trained: Path, tmp_path: Path) -> str:
    """Weights that have forgotten: their last stage says the same of every picture."""
    model = keras.saving.load_model(trained / "model.keras", compile=False)
    hidden = next(layer for layer in flat(model) if layer.name.startswith("hidden"))
    hidden.set_weights([np.zeros_like(weight) for weight in hidden.get_weights()])
    path = tmp_path / "useless.keras"
    model.save(path)
    return str(path)


def test_too_few_validation_pictures_are_doubted_where_auto_stops_after_the_head(
    trained: Path, tmp_path: Path
) -> None:
    data, weights = few(tmp_path / "few.npz", 60), str(trained / "model.keras")
    for val, stops in (("0.1", True), ("0.5", False)):  # 24 and 120 validation pictures
        advice = training.advise(TrainConfig(data=data, model="cnn", weights=weights, val=val))
        assert len(advice.phases) == 2
        assert any("stops after the head" in doubt for doubt in advice.doubts) == stops
        line = ["train", data, "--weights", weights, "--trainable", "auto", "--val", val]
        found = CliRunner().invoke(main, [*line, "--out", f"run-{val}", "--no-calibration"])
        assert found.exit_code == 0, found.output
        assert (len(Run(Path(f"run-{val}")).config.phase) == 1) == stops
    named = CliRunner().invoke(main, [*line[:-1], "0.1", "--model", "cnn", "--no-calibration"])
    assert "\nauto     trainable: head (too few validation pictures" in named.output
    assert "warning: auto" not in named.output


def test_auto_leaves_a_useless_backbone_as_the_printed_command_does(
    useless: str, tmp_path: Path
) -> None:
    data = few(tmp_path / "few.npz", 30)
    found = CliRunner().invoke(main, ["advise", data, "--model", "cnn", "--weights", useless])
    assert found.exit_code == 0, found.output
    words = shortened(found.stdout.splitlines()[-1])
    assert "--weights" not in words, found.output
    printed = [*words, "--out", "typed", "--deterministic", "--no-calibration"]
    assert CliRunner().invoke(main, printed).exit_code == 0
    typed = Run(Path("typed"))
    (phase,) = typed.config.phase
    config = TrainConfig(
        data=data, model="cnn", weights=useless, trainable="auto", out="auto", deterministic=True,
        epochs=int(phase.split(":")[1]), batch_size=typed.config.batch_size,
        augment=typed.config.augment, calibration=False,
    )  # fmt: skip
    run = training.fit(config)
    assert run.config.weights == "none"
    assert learned(run) == learned(typed)
    again = ["train", data, "--weights", useless, "--trainable", "auto", "--out", "auto"]
    for line in (again, ["train", "--out", "auto"]):
        resumed = CliRunner().invoke(main, [*line, "--resume"])
        assert resumed.exit_code == 0, resumed.output
    assert training.fit(config, resume=True).is_finished
    other = CliRunner().invoke(main, [*again, "--resume", "--epochs", "1"])
    assert other.exit_code == 2
    assert "epochs was" in other.output


def learned(run: Run) -> list[bytes]:
    """The weights of a run, bit for bit."""
    model = keras.saving.load_model(run.model_path, compile=False)
    return [np.asarray(weight).tobytes() for weight in model.get_weights()]


def test_auto_goes_on_with_what_it_decided(trained: Path, tmp_path: Path) -> None:
    data, weights = few(tmp_path / "few.npz", 20), str(trained / "model.keras")
    line = ["train", data, "--weights", weights, "--trainable", "auto", "--epochs", "1"]
    for more in ([], ["--resume"]):
        found = CliRunner().invoke(main, [*line, "--out", "run", "--no-calibration", *more])
        assert found.exit_code == 0, found.output
    other = [*line, "--out", "run", "--no-calibration", "--resume", "--weights", "none"]
    found = CliRunner().invoke(main, other)
    assert found.exit_code == 2
    assert "weights was" in found.output


def test_auto_needs_weights_and_no_phases() -> None:
    with pytest.raises(ConfigError, match="Set `weights`"):
        TrainConfig(trainable="auto")
    with pytest.raises(ConfigError, match="leave `phase` out"):
        TrainConfig(trainable="auto", weights="imagenet", phase=("head:1",))


def test_random_weights_are_doubted(tmp_path: Path) -> None:
    data = few(tmp_path / "few.npz", 20)
    line = ["advise", data, "--model", "cnn", "--weights", "none"]
    found = CliRunner().invoke(main, line)
    assert found.exit_code == 0, found.output
    assert "random weights" in found.output
    assert "--weights" not in found.output.splitlines()[-1]


def test_what_is_left_out_of_the_pictures_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    (tmp_path / "data/cat/13.heic").write_bytes(b"what phones take")
    (tmp_path / "data/dog/14.png").write_bytes(b"no picture")
    line = ["advise", str(tmp_path / "data"), "--model", "cnn", "--weights", "none"]
    found = CliRunner().invoke(main, line)
    assert found.exit_code == 0, found.output
    assert ".heic" in found.stderr
    assert "14.png" in found.stderr


def test_one_class_and_one_picture_a_class(trained: Path, tmp_path: Path) -> None:
    weights = str(trained / "model.keras")
    for per_class, classes, word in ((20, 1, "class"), (1, 4, "two")):
        data = few(tmp_path / f"{per_class}-{classes}.npz", per_class, classes)
        with pytest.raises((DataError, ConfigError), match=word):
            training.advise(TrainConfig(data=data, model="cnn", weights=weights))
        found = asked(data, trained)
        assert found.exit_code in (1, 2)
        assert "Traceback" not in found.output


def test_a_figure_of_no_known_kind_is_refused(trained: Path) -> None:
    found = asked("fashion-mini", trained, "--figure", "advice.doc")
    assert found.exit_code == 2
    assert ".svg or .png" in found.output
