"""What a person sees of a run: the header, the speed, the last line."""

import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result

from kerascnn import training
from kerascnn.cli import main
from kerascnn.training import clock as clocks
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.folder import Run


def write_clothes(path: Path, shuffled: bool = False, each: int = 60) -> Path:
    """Write real pictures of two classes, with labels that mean nothing if asked to."""
    from kerascnn.dataset import load_dataset

    train = load_dataset("fashion-mini").splits["train"]
    chosen = np.concatenate([np.flatnonzero(train.labels == label)[:each] for label in (0, 9)])
    labels = np.repeat([0, 1], each)
    if shuffled:
        labels = np.random.default_rng(0).permutation(labels)
    np.savez(path, x_train=np.stack([train.pictures[int(i)] for i in chosen]), y_train=labels)
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_header_tells_what_is_going_to_happen() -> None:
    data = write_clothes(Path("clothes.npz"))
    asked = ("--epochs", 2, "--augment", "light", "--trainable", "from:hidden")
    done = run("train", data, *asked, "--out", "r", "--image-size", 12, "--json")
    assert done.exit_code == 0, done.stderr
    chosen = "auto     model: cnn (the pictures are small: 28 pixels)"
    assert chosen in done.stderr.splitlines()
    lines = [line for line in done.stderr.splitlines() if line != chosen]
    assert lines[0].startswith("opening clothes.npz")
    assert lines.pop(1).startswith("warning: the frozen blocks keep their random weights")
    header = dict(line.split(None, 1) for line in lines[1:8])
    assert list(header) == ["data", "pictures", "network", "device", "steps", "augment", "run"]
    assert header["data"].startswith("clothes.npz: 108 training and 12 validation pictures, 2 ")
    assert header["pictures"] == "up to 28 pixels wide or high, resized (squash) to 12 x 12"
    assert header["network"].startswith("cnn, ")
    assert "parameters, all trainable" not in header["network"]
    assert header["network"].endswith("trainable; from random weights")
    assert header["steps"] == "2 epochs of 7, peak learning rate 0.008; 16 pictures per step; adamw"
    assert (header["augment"], header["run"]) == ("--augment light", "r")
    assert lines[8].startswith("epoch 1/2")
    assert json.loads(done.stdout)["metrics"]["steps"] == 14


class Speeds(Callback):
    """Keeps, of every epoch, after which steps something was told, and how fast it was."""

    def __init__(self) -> None:
        self.steps: dict[int, list[int]] = {}
        self.speeds: list[float] = []

    def on_speed(self, images_per_second: float) -> None:
        self.speeds.append(images_per_second)

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        self.steps.setdefault(epoch, []).append(step)


def test_images_a_second_are_those_of_the_epoch_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    # A second passes from each look at the clock to the next; how many steps a call has is open.
    seconds = count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(seconds)))
    monkeypatch.setattr(clocks, "time", clock)
    data, seen = write_clothes(Path("clothes.npz")), Speeds()
    training.fit(TrainConfig(data=str(data), out="r", image_size=12, epochs=2), seen)
    first, second = seen.steps[1], seen.steps[2]
    assert first[0] == 1, "the first call compiles, and says nothing of the speed"
    expected = [16 * (step - 1) / calls for calls, step in enumerate(first[1:], 1)]
    expected += [16 * step / calls for calls, step in enumerate(second, 1)]
    assert seen.speeds == pytest.approx(expected)


class Ending(Callback):
    """Keeps what is told after the last epoch."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def on_work(self, what: str, done: int, total: int) -> None:
        self.told.append((what, done, total))


def test_what_comes_after_the_last_epoch_is_told_and_counted_and_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads, load = [], Run.load_model
    monkeypatch.setattr(Run, "load_model", lambda run, *card: reads.append(run) or load(run, *card))
    data, seen = write_clothes(Path("clothes.npz")), Ending()
    training.fit(TrainConfig(data=str(data), out="r", image_size=12, epochs=1, val=0.5), seen)
    last = list(dict.fromkeys(what for what, _, _ in seen.told))
    assert last[-4:] == ["validation", "training pictures", "calibration", "writing the report"]
    assert ("validation", 60, 60) in seen.told
    assert ("training pictures", 60, 60) in seen.told
    assert len(reads) == 1


def test_what_has_not_learned_is_told_last_and_again_by_export() -> None:
    data = write_clothes(Path("noise.npz"), shuffled=True)
    done = run("train", data, "--out", "r", "--epochs", 1, "--image-size", 12, "--val", 0.5)
    assert done.exit_code == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("It has not learned: ")
    assert "of 60 validation pictures are classified correctly" in last
    assert "next: " not in done.stdout
    exported = run("export", "r", "--onnx")
    assert exported.exit_code == 0, exported.stderr
    assert "warning: this network has not learned." in exported.stderr


def test_what_too_few_pictures_cannot_tell_from_guessing_is_said() -> None:
    data = write_clothes(Path("few.npz"), each=10)
    done = run("train", data, "--out", "r", "--epochs", 20, "--image-size", 12, "--val", 0.1)
    doubt = done.stdout.splitlines()[-1]
    assert doubt.startswith("These pictures do not show whether that is better than guessing")
    assert "always predicting the most frequent class would give 50%." in doubt
    assert "next: " not in done.stdout
    assert doubt in " ".join(run("export", "r", "--onnx").stderr.split())


def test_test_pictures_are_pointed_to_where_too_few_were_held_out() -> None:
    data = write_clothes(Path("few.npz"), each=10)
    with np.load(data) as arrays:
        pictures, labels = arrays["x_train"], arrays["y_train"]
    np.savez(data, x_train=pictures, y_train=labels, x_test=pictures[:5], y_test=labels[:5])
    done = run("train", data, "--out", "r", "--epochs", 20, "--image-size", 12, "--val", 0.1)
    assert done.exit_code == 0, done.stderr
    ending, doubt, following = done.stdout.splitlines()
    assert doubt.startswith("These pictures do not show whether that is better than guessing")
    assert following == "next: kerascnn evaluate r"
    judged = run(*following.split()[2:]).stdout
    assert judged.startswith("5 pictures (split test): top-1 ")
    assert "top-5" not in judged  # of two classes, it says nothing
    metrics = Run(Path("r")).card.metrics
    assert [metrics[name] for name in ("augmented", "pretrained", "shrunk")] == [1, 0, 2]
    right = metrics["val_right"]
    assert ending.startswith(f"r: validation accuracy {right / 2:.2%}, {right} of 2 pictures (")


@pytest.mark.page
def test_what_guesses_its_training_pictures_has_not_learned_however_few_are_held_out() -> None:
    pictures = np.load(write_clothes(Path("clothes.npz"), each=10))["x_train"]
    np.savez("twice.npz", x_train=np.repeat(pictures, 2, axis=0), y_train=np.arange(40) % 2)
    done = run("train", "twice.npz", "--out", "r", "--epochs", 2, "--image-size", 12, "--val", 0.1)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("It has not learned: ")
    assert "It has not learned: " in training.open_run("r").report_path.read_text()


@pytest.mark.page
def test_copies_of_training_pictures_are_told_at_the_end_and_in_the_report() -> None:
    data = np.load(write_clothes(Path("clothes.npz")))
    pictures, labels = data["x_train"], data["y_train"]
    kept = np.arange(120) % 60 < 50  # of each class; of the 20 others, copies take the place of 11
    held = np.flatnonzero(~kept)
    held[:11] = np.flatnonzero(kept)[:11]
    np.savez("copied.npz", x_train=pictures[kept], y_train=labels[kept],
             x_val=pictures[held], y_val=labels[held])  # fmt: skip
    done = run("train", "copied.npz", "--out", "r", "--epochs", 1, "--image-size", 12)
    said = "11 of 20 validation pictures are also training pictures, so the validation accuracy"
    assert done.exit_code == 0, done.stderr
    assert said in done.stderr and said in done.stdout
    assert said in training.open_run("r").report_path.read_text()
    card = training.open_run("r").card
    assert (card.metrics["val_leaked"], card.temperature) == (11, 1)
    assert said in training.open_run("r")._repr_html_()
    assert "not calibrated: most of the validation pictures are also training" in done.stderr


def test_with_the_data_to_validate_on_all_pictures_are_learned_from_and_that_is_said() -> None:
    data = write_clothes(Path("clothes.npz"), each=15)
    done = run("train", data, "--val", data, "--out", "r", "--epochs", 1, "--image-size", 12)
    assert "30 of 30 validation pictures are also training pictures" in done.stdout
    card = training.open_run("r").card
    assert (card.data["train"], card.data["val"], card.temperature) == (30, 30, 1)


def test_what_has_learned_is_invited_to_export() -> None:
    data = write_clothes(Path("clothes.npz"))
    done = run("train", data, "--out", "r", "--image-size", 12, "--val", 0.5)
    assert done.stdout.splitlines()[-1] == "next: kerascnn export r --onnx"
    metrics = training.open_run("r").card.metrics
    assert metrics["train_top1"] == training.evaluate_run("r", split="train").top1
    assert metrics["val_right"] / metrics["val_images"] == metrics["val_top1"]
