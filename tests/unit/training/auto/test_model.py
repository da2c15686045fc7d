"""What --model auto and --augment auto choose, through the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from skimage import data as scenes
from sklearn.datasets import load_digits

from kerascnn import training
from kerascnn.cli import main
from kerascnn.cli.train import command
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.training import TrainConfig
from kerascnn.training.auto.model import (
    affordable_phases,
    choose_changes,
    from_scratch,
)
from kerascnn.training.callbacks import Callback
from kerascnn.training.command_line import train_command
from kerascnn.training.data.feed import prepare
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.run.checkpoint import latest_checkpoint

BACKBONE = "mobilenet"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, words)])


def stored(folder: str = "r") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "config.json").read_text())
    return found


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, crops = np.random.default_rng(0), []
    for name in ("coffee", "chelsea", "rocket"):
        picture = getattr(scenes, name)()
        for _ in range(20):
            top, left = (int(rng.integers(side - 96)) for side in picture.shape[:2])
            crops.append(picture[top : top + 96, left : left + 96])
    path = tmp_path_factory.mktemp("photographs") / "photographs.npz"
    np.savez(path, x_train=np.stack(crops), y_train=np.repeat(np.arange(3), 20))
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = load_digits()
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    pictures = (found.images[:200] * 15.9).astype(np.uint8)
    np.savez(path, x_train=pictures, y_train=found.target[:200])
    return path


@pytest.fixture
def weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library_file: Callable[[str], object]
) -> None:
    """Weights of our own making in Keras' cache, of a small backbone in the place of the usual."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("kerascnn.training.auto.model.BACKBONE", BACKBONE)
    library_file(BACKBONE)
    # Random weights would be advised against, and deeper phases take half a minute to compile.
    monkeypatch.setattr("kerascnn.training.advising.decision.depth_for", lambda *_facts: "head")
    monkeypatch.setattr("kerascnn.training.auto.model.SIZES", (32, 64))


def test_the_builtin_data_keep_the_baseline_as_it_was() -> None:
    config = TrainConfig()
    assert (config.model, config.weights, config.augment) == ("cnn", "none", "none")
    assert train_command(config) == "kerascnn train fashion-mini --seed 0"
    assert TrainConfig(data="flowers").model == "auto"
    assert TrainConfig(data="flowers", model="lenet5").weights == "none"


def test_small_pictures_take_the_small_network_and_digits_no_flip(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_words: object) -> None:
        raise AssertionError("weights were looked for")

    monkeypatch.setattr("kerascnn.training.auto.model.ensure", asked)
    done = run(digits, "--epochs", 1, "--image-size", 12, "--out", "r")
    assert done.exit_code == 0, done.output
    assert "auto     model: cnn (the pictures are small: 8 pixels)" in done.output
    assert "auto     augment: shift (no flips: mirrored pictures resemble" in done.output
    assert "augment  --augment shift" in done.output
    found = stored()
    assert (found["model"], found["weights"], found["augment"]) == ("cnn", "none", "shift")


def test_photographs_without_weights_say_so_in_one_line(photographs: Path) -> None:
    done = run(photographs, "--epochs", 1)
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.output.splitlines() if "weights fetch" in line]
    assert line.startswith("warning: ") and "kerascnn weights fetch mobilenet_v3_large" in line
    assert line.endswith("Training cnn from random weights instead.")
    found = stored("runs/photographs-auto")
    assert (found["model"], found["weights"]) == ("cnn", "none")
    assert found["augment"] in ("light", "shift")


@pytest.mark.parametrize(
    ("side", "color", "epochs", "augment"),
    [
        (96, 60, "auto", ("strong-shift", "strong")),
        (64, 60, "auto", ("shift", "light")),  # small pictures are no photographs
        (96, 2, "auto", ("shift", "light")),  # gray, as JPEG files keep it
        (96, 60, 19, ("shift", "light")),  # too few to learn from what is changed so much
        (96, 60, 20, ("strong-shift", "strong")),
    ],
)
def test_colored_photographs_that_are_seen_often_are_changed_strongly(
    tmp_path: Path, side: int, color: int, epochs: int | Literal["auto"], augment: tuple[str, str]
) -> None:
    data = gradients(tmp_path, side, color)
    config = TrainConfig(data=data, model="cnn", epochs=epochs, cache="none")
    feed = prepare(config, Callback())
    assert choose_changes(config, feed, Callback()).augment in augment


def gradients(
    folder: Path, side: int = 96, color: int = 60, width: int | None = None, frame: int = 0
) -> str:
    """Write 80 pictures in two classes that brightness tells apart, gray if ``color`` is 0."""
    rng, labels = np.random.default_rng(0), np.arange(80) % 2
    width = width or side
    # Patches of six pixels: noise would be averaged away, to a plain background.
    gray = rng.integers(0, 180, (80, -(-side // 6), -(-width // 6), 1)).repeat(6, 1).repeat(6, 2)
    gray = gray[:, :side, :width] // (1 + labels.reshape(-1, 1, 1, 1))
    pictures = (gray + np.array([0, color // 2, color])).astype(np.uint8)
    for edge in (slice(frame), slice(-frame, None)) if frame else ():
        pictures[:, edge] = pictures[:, :, edge] = 240
    np.savez(folder / "p.npz", x_train=pictures, y_train=labels)
    return str(folder / "p.npz")


@pytest.mark.parametrize(
    ("side", "color", "options", "network", "size", "crop"),
    [
        (96, 60, {}, "cnn4", 64, 0.35),
        (96, 60, {"random_crop": 0.5}, "cnn4", 64, 0.5),
        (96, 60, {"uncropped": 0.5}, "cnn4", 64, 0.35),
        (96, 60, {"augment": "light"}, "cnn4", 64, 0.0),  # what is named is all that is done
        (96, 60, {"epochs": 49}, "cnn", None, 0.0),  # 245 steps
        (96, 60, {"epochs": 50}, "cnn4", 64, 0.35),
        (96, 60, {"image_size": 32}, "cnn4", 32, 0.0),
        (96, 60, {"image_size": 15}, "cnn", 15, 0.0),  # the deeper network's least is 16
        (96, 60, {"image_size": 64, "trainable": "auto"}, "cnn4", 64, 0.35),
        (96, 2, {}, "cnn4", 64, 0.0),  # gray
        (64, 60, {}, "cnn4", 64, 0.0),  # small pictures are no photographs
        (45, 60, {}, "cnn4", 48, 0.0),
        (8, 60, {}, "cnn4", 32, 0.0),
    ],
)
def test_pictures_take_a_deeper_network_and_photographs_crops(
    tmp_path: Path, side: int, color: int, options: dict[str, Any], network: str,
    size: int | None, crop: float,
) -> None:  # fmt: skip
    asked = {"weights": "imagenet", **options}
    config = TrainConfig(data=gradients(tmp_path, side, color), cache="none", **asked)
    found = from_scratch(config, run_dataset(config))
    assert (found.model, found.image_size) == (network, size)
    assert (found.random_crop, found.trainable) == (crop, "all")
    assert found.uncropped == options.get("uncropped", 0.0)
    assert (found.weights, found.augment) == ("none", config.augment)
    few = network == "cnn4" and not crop and "augment" not in options
    assert found.mixup == (0.2 if few else 0.0)
    feed = prepare(found, Callback())
    # Crops are change enough.
    augment = choose_changes(found, feed, Callback()).augment
    assert augment not in ("strong", "strong-shift") or not crop


@pytest.mark.parametrize(
    ("sides", "options", "uncropped"),
    [
        ((96, 191), {}, 0.0),
        ((96, 192), {}, 0.33),
        ((192, 96), {}, 0.33),
        ((192, 96), {"uncropped": 0.1}, 0.1),
        ((192, 96), {"random_crop": 0.5}, 0.0),
    ],
)
def test_the_last_epochs_show_whole_long_photographs(
    tmp_path: Path, sides: tuple[int, int], options: dict[str, float], uncropped: float
) -> None:
    asked = {"data": gradients(tmp_path, sides[0], width=sides[1]), "weights": "none", **options}
    config = TrainConfig(**asked)  # type: ignore[arg-type]
    assert from_scratch(config, run_dataset(config)).uncropped == uncropped


def test_most_pictures_of_a_folder_decide_whether_they_are_long(tmp_path: Path) -> None:
    for number, sides in enumerate([(96, 96), (300, 90), (90, 300), (96, 96), (400, 100)]):
        file = tmp_path / "train" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", sides).save(file)
    (tmp_path / "train" / "a" / "broken.png").write_bytes(b"none")
    train = load_dataset(tmp_path).splits["train"]
    assert train.elongation() == pytest.approx(300 / 90)
    assert train.longest_side() == 400
    broken = [at for at in range(6) if train.pictures.name(at).endswith("broken.png")]
    assert train.take(np.array(broken)).elongation() == 1


@pytest.mark.parametrize(
    ("pictures", "options", "mixup"),
    [(99, {}, 0.2), (100, {}, 0.0), (99, {"mixup": 0.4}, 0.4), (99, {"cutmix": 1.0}, 0.0)],
)
def test_few_pictures_are_mixed(
    tmp_path: Path, pictures: int, options: dict[str, float], mixup: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (pictures, 28, 28), np.uint8)
    labels = np.arange(pictures) % 2
    np.savez(tmp_path / "p.npz", x_train=noise, y_train=labels, x_val=noise, y_val=labels)
    config = TrainConfig(data=str(tmp_path / "p.npz"), **options)  # type: ignore[arg-type]
    found = from_scratch(config, run_dataset(config))
    assert (found.model, found.mixup) == ("cnn4", mixup)


def test_a_run_that_chose_mixup_goes_on_without_naming_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerascnn.training.auto.hyperparameters.ENOUGH_STEPS", 10)
    options = {"weights": "none", "epochs": 2, "cache": "none", "out": str(tmp_path / "r")}
    asked = TrainConfig(data=gradients(tmp_path, side=28), **options)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        training.fit(asked, CtrlC())
    assert training.fit(asked, resume=True).config.mixup == 0.2


@pytest.mark.parametrize(("epochs", "network"), [("auto", "cnn4"), (30, "cnn")])
def test_figures_on_a_plain_background_are_no_photographs(
    tmp_path: Path, epochs: int | Literal["auto"], network: str
) -> None:
    data = gradients(tmp_path, frame=9)
    config = TrainConfig(data=data, weights="none", epochs=epochs, cache="none")
    found = from_scratch(config, run_dataset(config))
    assert (found.model, found.random_crop) == (network, 0.0)
    assert choose_changes(found, prepare(found, Callback()), Callback()).augment in (
        "shift", "light",
    )  # fmt: skip


def test_a_run_that_chose_crops_goes_on_without_naming_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerascnn.training.auto.hyperparameters.ENOUGH_STEPS", 10)
    options = {"weights": "none", "epochs": 2, "cache": "none", "out": str(tmp_path / "r")}
    asked = TrainConfig(data=gradients(tmp_path, width=200), **options)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        training.fit(asked, CtrlC())
    done = training.fit(asked, resume=True)
    chosen = done.config.model, done.config.random_crop, done.config.uncropped
    assert chosen == ("cnn4", 0.35, 0.33)
    assert done.card.network == "cnn4" and done.card.image_size == 64
    with pytest.raises(ConfigError, match=r"`random_crop` was 0\.35 and is now 0\.5"):
        training.fit(replace(asked, random_crop=0.5), resume=True)


def test_weights_that_were_asked_for_are_not_done_without(photographs: Path) -> None:
    done = run(photographs, "--weights", "imagenet", "--out", "r")
    assert done.exit_code == 1
    assert "kerascnn weights fetch mobilenet_v3_large" in done.output
    assert not Path("r").exists()


@pytest.mark.usefixtures("weights")
def test_photographs_take_the_backbone_whose_weights_are_there(photographs: Path) -> None:
    done = run(photographs, "--out", "r")
    assert done.exit_code == 0, done.output
    assert f"auto     model: {BACKBONE} (photographs, 96 pixels; ImageNet weights)" in done.output
    assert "from ImageNet weights" in done.output
    found = stored()
    chosen = {
        "model": BACKBONE, "weights": "imagenet", "trainable": "all", "phase": ["head:fit"],
        "image_size": 64, "augment": "none",
    }  # fmt: skip
    assert {name: found[name] for name in chosen} == chosen
    # The command in the report chooses nothing again.
    config = training.open_run("r").config
    words = shlex.split(train_command(config))
    options = command.make_context("train", words[2:]).params
    again = TrainConfig(**{field.name: options[field.name] for field in fields(TrainConfig)})
    assert replace(again, out=config.out) == config


def test_a_backbone_that_tells_less_than_pixels_is_not_taken(
    photographs: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    library_file: Callable[[str], object],
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("kerascnn.training.auto.model.BACKBONE", BACKBONE)
    monkeypatch.setattr("kerascnn.training.auto.model.SIZES", (32, 32))
    monkeypatch.setattr("kerascnn.training.advising.decision.depth_for", lambda *_facts: "scratch")
    library_file(BACKBONE)
    done = run(photographs, "--epochs", 1, "--out", "r")
    assert done.exit_code == 0, done.output
    assert (
        "model: cnn (the backbone's features are less informative than the pixels)" in done.output
    )
    assert (stored()["model"], stored()["weights"]) == ("cnn", "none")
    assert (stored()["phase"], stored()["image_size"]) == ([], None)


class CtrlC(Callback):
    """Presses Ctrl-C in the second epoch."""

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.full
@pytest.mark.usefixtures("weights")
def test_a_run_that_chose_for_itself_goes_on_bit_by_bit(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerascnn.training.advising.decision.depth_for", lambda *_facts: "all")
    config = TrainConfig(data=str(photographs), epochs=1, deterministic=True)
    whole = training.fit(replace(config, out="whole"))
    parts = replace(config, out="parts")
    with pytest.raises(KeyboardInterrupt):
        training.fit(parts, CtrlC())
    done = training.fit(parts, resume=True)
    ends = [latest_checkpoint(one.checkpoint_folder) for one in (done, whole)]
    assert ends[0] is not None and ends[1] is not None
    assert all(map(np.array_equal, ends[0].core, ends[1].core))
    with pytest.raises(ConfigError, match=f"`model` was {BACKBONE} and is now cnn"):
        training.fit(replace(parts, model="cnn"), resume=True)


@pytest.mark.full
@pytest.mark.usefixtures("weights")
def test_what_is_named_is_kept(photographs: Path) -> None:
    options = ("--phase", "head:1", "--image-size", 32, "--batch-size", 8, "--out", "r")
    done = run(photographs, *options)
    assert done.exit_code == 0, done.output
    found = stored()
    assert (found["model"], found["weights"]) == (BACKBONE, "imagenet")
    assert (found["phase"], found["image_size"], found["batch_size"]) == (["head:1"], 32, 8)
    named = run(photographs, "--weights", "none", "--epochs", 1, "--augment", "none", "--out", "n")
    assert named.exit_code == 0, named.output
    assert (stored("n")["model"], stored("n")["augment"]) == ("cnn", "none")


def test_a_file_of_weights_names_its_network_or_has_to_be_told(
    photographs: Path, trained: Path
) -> None:
    done = run(photographs, "--weights", trained / "model.keras", "--epochs", 1, "--out", "r")
    assert done.exit_code == 0, done.output
    assert stored()["model"] == "cnn"
    Path("w.h5").write_bytes(b"")
    done = run(photographs, "--weights", "w.h5", "--out", "s")
    assert done.exit_code == 2
    assert "w.h5: it is not known which network these weights are for" in done.output
    with pytest.raises(ModelFileError, match=r"none\.h5: no such file"):
        training.fit(TrainConfig(data=str(photographs), weights="none.h5", out="t"))


@pytest.mark.parametrize(
    ("pictures", "classes", "deeper", "expected"),
    [
        (40, 4, True, ("head:fit", "all:10:0.001")),
        (400, 4, True, ("head:fit", "all:3:0.001")),
        (20_000, 10, True, ("head:fit", "all:2:0.001")),
        (20_001, 2, True, ("head:10", "all:2:0.001")),
        (5_000, 41, False, ("head:10",)),
        (500, 101, False, ("head:10",)),
        (40, 4, False, ("head:fit",)),
    ],
)
def test_phases_that_a_processor_can_afford(
    pictures: int, classes: int, deeper: bool, expected: tuple[str, ...]
) -> None:
    assert affordable_phases(pictures, classes, deeper, 0.001) == expected
