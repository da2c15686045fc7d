"""A run whose head is fitted: what comes out, how it goes on, what it says."""

import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.command_line import train_command
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import Pack
from kerascnn.training.display.header import header
from kerascnn.training.lr_finder import find_learning_rate
from kerascnn.training.networks import build_network
from kerascnn.training.phases import phases
from kerascnn.training.run.resume import resumed_config
from kerascnn.training.trainer import time_limit
from kerascnn.training.trainer.frozen_features import split
from kerascnn.training.trainer.head_fit import HeadFit


class Watching(Callback):
    """Remembers what is said, and presses Ctrl-C after an epoch."""

    def __init__(self, stop_after: int = 0) -> None:
        self.stop_after, self.said, self.header = stop_after, dict[str, str](), dict[str, str]()

    def on_choice(self, option: str, value: str, reason: str) -> None:
        self.said[option] = f"{value} ({reason})"

    def on_plan(self, plan: object) -> None:
        self.header = dict(header(plan))  # type: ignore[arg-type]

    def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:
        if record.epoch == self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> str:
    from kerascnn.dataset import load_dataset

    train = load_dataset("fashion-mini").splits["train"]
    chosen = np.concatenate([np.flatnonzero(train.labels == label)[:20] for label in range(3)])
    pictures = np.stack([train.pictures[int(index)] for index in chosen])
    path = tmp_path_factory.mktemp("data") / "clothes.npz"
    np.savez(path, x_train=pictures, y_train=train.labels[chosen])
    return str(path)


def config(data: str, **options: object) -> TrainConfig:
    small = {"model": "cnn", "image_size": 12, "val": 0.2, "calibration": False, "out": "r"}
    return TrainConfig(data=data, **{**small, **options})  # type: ignore[arg-type]


def test_a_head_trained_alone_is_fitted_and_the_network_is_an_ordinary_one(clothes: str) -> None:
    watching = Watching()
    run = training.fit(config(clothes, trainable="head"), watching)
    assert run.config.phase == ("head:fit",)
    assert "--phase head:fit" in train_command(run.config)
    (epoch,) = run.history
    assert epoch.learning_rate == 0
    assert epoch.accuracy == pytest.approx(run.card.metrics["train_top1"])
    assert run.card.metrics["steps"] == 0
    assert watching.header["steps"] == "the head fitted by logistic regression"
    assert "of the training pictures are right)" in watching.said["head"]
    # The others are as they were.
    fresh = training.fit(config(clothes, trainable="head", epochs=1, out="other")).load_model()
    for one, other in zip(run.load_model().layers, fresh.layers, strict=True):
        alike = [
            np.array_equal(*pair)
            for pair in zip(one.get_weights(), other.get_weights(), strict=True)
        ]
        assert all(alike) == (one.name != "head")


def test_a_head_of_very_many_pictures_is_trained_by_steps(
    clothes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerascnn.training.phases.MOST_TO_FIT", 30)
    run = training.fit(config(clothes, trainable="head", learning_rate=None, out="many"))
    assert run.config.phase == ()
    assert len(run.history) > 1
    with pytest.raises(ConfigError, match=r"head:fit got 48 pictures of 3 classes; expected at"):
        training.fit(config(clothes, phase=("head:fit",), out="asked"))


def test_whoever_names_steps_gets_steps(clothes: str) -> None:
    for options in (
        {"epochs": 1},
        {"learning_rate": 0.01, "epochs": 1},
        {"augment": "light", "epochs": 1},
    ):
        run = training.fit(config(clothes, trainable="head", **options), overwrite=True)
        assert run.config.phase == ()


def test_a_run_that_is_stopped_after_the_fit_ends_as_without_it(clothes: str) -> None:
    options = {"phase": ("head:fit", "all:2"), "batch_size": 16}
    whole = training.fit(config(clothes, **options))
    with pytest.raises(KeyboardInterrupt):
        training.fit(config(clothes, out="s", **options), Watching(stop_after=1))
    ended = training.fit(config(clothes, out="s", **options), resume=True)
    assert [row.epoch for row in ended.history] == [1, 2, 3]
    for one, other in zip(whole.history, ended.history, strict=True):
        assert (one.loss, one.val_loss) == (other.loss, other.val_loss)
    assert whole.card.metrics["steps"] == 2 * 3


def test_a_fit_that_was_chosen_is_resumed_without_naming_it(clothes: str) -> None:
    asked = config(clothes, trainable="head")
    training.fit(asked)
    training.fit(asked, resume=True)
    assert resumed_config({"out": "r", "data": clothes, "trainable": "head"}).phase == ("head:fit",)


def _fitted(pictures: np.ndarray, labels: np.ndarray, **options: object) -> np.ndarray:
    core = build_network("cnn", 3, 12)
    _, head = split(core)
    pack = Pack(pictures, labels, (), (), "")
    fit = HeadFit(head, core, pack, config("fashion-mini", **options), Callback())
    list(fit.epoch(0, 1))
    logits = np.array(head(pictures))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def test_smoothing_and_class_weights_are_respected() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], (40, 40, 5))
    features = rng.normal(size=(85, 300)).astype(np.float32)
    features[:, :3] += 3 * np.eye(3)[labels]
    plain = _fitted(features, labels)
    smooth = _fitted(features, labels, label_smoothing=0.3)
    assert smooth.max() < plain.max()
    assert _fitted(features, labels, class_weights="balanced")[:, 2].mean() > plain[:, 2].mean()


def test_a_time_limit_leaves_the_fit_as_it_is() -> None:
    stages = phases(TrainConfig(phase=("head:fit", "all:8:0.01")))
    cost = time_limit.PhaseCost(1.0, 1.0, 0.0)
    epochs = time_limit._shared_out(stages, [cost, cost], 5.0, more=True)
    shortened = time_limit.with_epochs(
        TrainConfig(phase=("head:fit", "all:8:0.01")), stages, epochs
    )
    assert shortened.phase == ("head:fit", "all:4:0.01")


def test_the_finder_of_rates_says_that_a_fit_has_none(clothes: str) -> None:
    with pytest.raises(ConfigError, match="head:fit has no learning rate"):
        find_learning_rate(config(clothes, phase=("head:fit",)))
