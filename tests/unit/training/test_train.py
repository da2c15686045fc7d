"""Training: repeatable, keeps the best, and never destroys what it has."""

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import ConfigError, TrainingError
from kerascnn.metrics.significance import wilson_interval
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.networks.summary import summarize
from kerascnn.training.trainer.loss import Loss


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every tenth of the built-in pictures, as arrays: an epoch takes a fraction of a second."""
    from kerascnn.dataset import load_dataset

    train = load_dataset("fashion-mini").splits["train"]
    chosen = np.arange(0, len(train), 10)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    pictures = np.stack([train.pictures[int(index)][..., 0] for index in chosen])
    np.savez(path, images=pictures, labels=train.labels[chosen])
    return path


def fit(data: Path, out: str, progress: Callback | None = None, **options) -> training.Run:
    given = {"epochs": 2, "deterministic": True, **options}
    return training.fit(training.TrainConfig(data=str(data), out=out, **given), progress)


def weights(run: training.Run) -> list[np.ndarray]:
    return run.load_model().get_weights()


def rows(run: training.Run) -> list[dict[str, str]]:
    timed = ("images_per_second", "seconds")
    with run.history_path.open(encoding="utf-8") as file:
        return [
            {key: value for key, value in row.items() if key not in timed}
            for row in csv.DictReader(file)
        ]


def test_the_same_seed_gives_the_same_bits_and_another_does_not(small: Path) -> None:
    first, second, other = (
        fit(small, name, seed=seed, augment="light")
        for name, seed in (("one", 7), ("two", 7), ("three", 8))
    )
    assert rows(first) == rows(second)
    assert all(map(np.array_equal, weights(first), weights(second)))
    assert rows(first) != rows(other)


@pytest.mark.page
def test_the_run_folder_holds_all_that_is_needed(small: Path) -> None:
    run = fit(small, "run", model="lenet5_modern", augment="light")
    config = json.loads(run.config_path.read_text(encoding="utf-8"))
    assert (config["seed"], config["augment"], config["model"]) == (0, "light", "lenet5_modern")
    assert len(rows(run)) == 2
    assert run.card.classes == tuple("0123456789")
    assert run.card.image_size == 32
    assert run.card.resize == "pad"
    assert run.card.data["train"] + run.card.data["val"] == 400
    assert run.card.data["val"] == pytest.approx(40, abs=2)
    assert run.report_path.stat().st_size > 10_000


class Watching(Callback):
    """Keeps the weights of every epoch as the folder holds them, and can break the network."""

    def __init__(self, run: str, destroy_after: int | None = None) -> None:
        self.run, self.destroy_after = run, destroy_after
        self.epochs: list[tuple[EpochRecord, bool]] = []

    def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:
        self.epochs.append((record, kept))


def test_the_best_epoch_is_kept_and_the_card_tells_which(small: Path) -> None:
    watching = Watching("run")
    run = fit(small, "run", watching, epochs=6, learning_rate=0.02)
    records = [record for record, _ in watching.epochs]
    best = max(records, key=lambda record: (record.val_accuracy, -record.val_loss))
    assert run.card.metrics["epoch"] == best.epoch
    assert run.card.metrics["val_top1"] == best.val_accuracy
    assert [r.epoch for r, is_best in watching.epochs if is_best][-1] == best.epoch
    found = training.evaluate_run(run, split="val")
    assert found.top1 == pytest.approx(best.val_accuracy, abs=1e-9)


def test_newest_keeps_the_newest_that_is_not_significantly_worse(small: Path) -> None:
    watching = Watching("run")
    run = fit(small, "run", watching, epochs=6, learning_rate=0.02, keep="newest")
    records, total = [record for record, _ in watching.epochs], run.card.data["val"]
    highest = [max(one.val_accuracy for one in records[: n + 1]) for n in range(6)]
    least = [wilson_interval(round(one * total), total).low for one in highest]
    good = [one.val_accuracy >= low for one, low in zip(records, least, strict=True)]
    assert [is_kept for _, is_kept in watching.epochs] == good
    assert run.card.metrics["epoch"] == max(one.epoch for one in records if good[one.epoch - 1])
    found = training.evaluate_run(run, split="val")
    assert found.top1 == pytest.approx(run.card.metrics["val_top1"], abs=1e-9)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_model(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first phase is sound; in the second the loss is not a number."""

    class Broken(Loss):
        def __call__(self, *arguments):
            loss, right = super().__call__(*arguments)
            return loss * np.nan, right

    kinds = iter([Loss, Broken])
    monkeypatch.setattr("kerascnn.training.trainer.phase.Loss", lambda *o: next(kinds)(*o))
    with pytest.raises(TrainingError, match=r"the loss is nan.*epoch 1 is kept.*learning_rate"):
        fit(small, "run", phase=("all:1", "all:3"))
    kept = training.open_run("run")
    assert kept.card.metrics["epoch"] == 1
    assert all(np.isfinite(values).all() for values in weights(kept))


def test_a_run_is_never_overwritten(small: Path) -> None:
    run = fit(small, "run", epochs=1)
    before = {path: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    with pytest.raises(ConfigError, match="already holds a run"):
        fit(small, "run", epochs=1)
    after = {path: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    assert after == before


def test_runs_without_a_name_are_numbered(small: Path) -> None:
    names = [fit(small, None, epochs=1).folder for _ in range(2)]  # type: ignore[arg-type]
    assert [name.as_posix() for name in names] == ["runs/small-auto", "runs/small-auto-2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"val": 1.5}, "val is 1.5"),
        (
            {"augment": "strong-ish"},
            "augment is 'strong-ish'; expected one of auto, none, shift, light",
        ),
        ({"model": "cmn"}, "cnn"),
        ({"image_size": 4}, "at least 10"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_written(small: Path, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(small, "run", **options)
    assert not Path("run").exists()


def test_the_baseline_is_the_courses(small: Path) -> None:
    from kerascnn.training.networks import build_network

    summary = summarize(build_network("cnn", 10, 32))
    counted = [row.params for row in summary.layers if row.params]
    assert counted == [532, 14, 2_640, 30, 220_800, 3_010]
    assert (summary.total_params, summary.trainable_params) == (227_026, 227_026)
    assert summary.state == 2 * (7 + 15)
    shapes = {row.name: row.output_shape for row in summary.layers}
    assert shapes["block1_conv"] == (28, 28, 7)
    assert shapes["block1_pool"] == (14, 14, 7)
    assert shapes["block2_conv"] == (14, 14, 15)
    assert shapes["block2_pool"] == (7, 7, 15)


def test_the_learning_rate_warms_up_and_falls_as_a_cosine(small: Path) -> None:
    run = fit(small, "run", epochs=10, learning_rate=0.01, batch_size=180)
    rates = [record.learning_rate for record in run.history]
    assert rates[0] == pytest.approx(0.01, rel=0.05)
    assert rates == sorted(rates, reverse=True)
    middle = 0.01 * (1 + np.cos(np.pi * 0.5)) / 2
    assert rates[5] == pytest.approx(middle, rel=0.3)
    assert rates[-1] < 1e-4


def test_augmentation_moves_pictures_in_training_only(small: Path) -> None:
    from kerascnn.training.augmentation.presets import augmentation_layers

    picture = np.zeros((64, 32, 32, 3), np.float32)
    picture[:, 10:20, 4:8] = 200.0
    model = keras.Sequential(augmentation_layers("light", 3))
    still, moved = (np.asarray(model(picture, training=flag)) for flag in (False, True))
    assert np.array_equal(still, picture)
    columns = {tuple(np.flatnonzero(shown.sum((0, 2)) > 0)[[0]]) for shown in moved}
    assert any(column[0] < 16 for column in columns)
    assert any(column[0] > 16 for column in columns), "no picture was flipped"
    assert len(columns) > 2, "no picture was shifted"
    assert augmentation_layers("none", 3) == []


def test_strong_changes_are_there_without_a_flip_too() -> None:
    from kerascnn.training.augmentation.presets import augmentation_layers

    strong, still = augmentation_layers("strong", 3), augmentation_layers("strong-shift", 3)
    names = [layer.name for layer in strong]
    assert names == ["flip_and_shift", "brightness", "contrast", "erasing"]
    assert [layer.name for layer in still] == names
    assert (len(strong[0].variables), len(still[0].variables)) == (2, 1), "states of its draws"


def test_strong_augmentation_shifts_lights_and_erases() -> None:
    from kerascnn.training.augmentation.presets import ERASED, augmentation_layers

    picture = np.zeros((400, 32, 32, 3), np.float32)
    picture[:, 12:20, 12:20] = 180.0
    model = keras.Sequential(augmentation_layers("strong", 3))
    assert np.array_equal(np.asarray(model(picture, training=False)), picture)
    moved = np.asarray(model(picture, training=True))
    assert moved.min() >= 0 and moved.max() <= 255
    gray = np.isclose(moved, 127.5).all(-1).sum((1, 2))
    assert 0.6 * ERASED < (gray > 10).mean() < 1.5 * ERASED
    whole = moved[gray == 0]
    peaks = whole.max((1, 2, 3))
    assert peaks.std() > 10, "brightness and contrast are as they were"
    rows = {int(one.mean((1, 2)).argmax()) for one in whole}
    assert max(rows) - min(rows) in (6, 7, 8), "shifts of up to four pixels"
