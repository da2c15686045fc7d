"""A run that ends in time: as many epochs as fit, and a rate that ends with the last of them."""

from pathlib import Path

import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.clock import Deadline, seconds_of
from kerascnn.training.command_line import train_command
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.checkpoint import Position
from kerascnn.training.run.folder import Run
from kerascnn.training.run.resume import resumed_config
from kerascnn.training.trainer import time_limit
from kerascnn.training.trainer.time_limit import shorten_remaining

OPTIONS = {"model": "lenet5", "val": 0.9, "batch_size": 64, "calibration": False}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("1h2m3s", 3723),
     ("10", None), ("", None), ("m", None), ("-5m", None), ("0s", None), ("5m1h", None)],
)  # fmt: skip
def test_durations_as_people_write_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("wrong", ["10", "soon", "0m", "5 m"])
def test_what_is_no_duration_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"time is .*a duration, e\.g\. 10m"):
        TrainConfig(time=wrong)


class Hours(Deadline):
    """A deadline whose time passes by epochs, not by a clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def left(self) -> float:
        return self.seconds

    def sooner(self, seconds: float) -> "Hours":
        self.seconds -= seconds
        return self


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch takes ten seconds, wherever this is run."""
    monkeypatch.setattr(
        time_limit, "_cost", lambda *_: time_limit.PhaseCost(once=5.0, epoch=10.0, picture=0.0)
    )
    monkeypatch.setattr("kerascnn.training.train.Deadline", Hours)


def test_as_many_epochs_as_fit_and_the_rate_ends_with_the_last(tmp_path: Path, costs: None) -> None:
    run = training.fit(TrainConfig(out=str(tmp_path / "r"), time="60s", **OPTIONS))  # type: ignore[arg-type]
    # 0.9 of 60 seconds, less 5 for compiling and 5 for the report: 44.
    assert len(run.history) == 4
    assert (run.config.epochs, run.config.time) == (4, "60s")
    assert run.history[-1].learning_rate == pytest.approx(0, abs=1e-6)
    assert run.history[1].learning_rate > 1e-4
    assert "--epochs 4" in train_command(run.config)  # which repeats it
    assert "--time" not in train_command(run.config)


def test_a_second_training_has_its_share_of_the_time(costs: None) -> None:
    options = OPTIONS | {"val": 0.75, "time": "150s", "refit": "yes"}
    run = training.fit(TrainConfig(out="r", **options))  # type: ignore[arg-type]
    # 0.9 of 150 seconds, less 5 for the report and 5 each for compiling: 120, of which the second,
    # with four times as many pictures, takes four fifths.
    assert run.config.epochs == run.second.config.epochs == 2


@pytest.mark.parametrize(
    ("options", "time", "epochs"),
    [({"epochs": 2}, "10m", [2]), ({"phase": ("head:2", "all:6")}, "70s", [1, 3])],
)  # fmt: skip
def test_no_more_epochs_than_were_asked_for_and_phases_keep_their_proportions(
    options: dict[str, object], time: str, epochs: list[int], costs: None
) -> None:
    run = training.fit(TrainConfig(out="r", time=time, **OPTIONS, **options))  # type: ignore[arg-type]
    assert [phase.epochs for phase in training.phases.phases(run.config)] == epochs
    assert len(run.history) == sum(epochs)


def test_too_little_time_for_an_epoch_is_said_and_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"(less than 1|about [1-9]\d*) s here, and `time` 1s leaves 0 s .*Allow more time",
    ):
        training.fit(TrainConfig(out=str(tmp_path / "r"), time="1s", **OPTIONS))  # type: ignore[arg-type]
    assert not (tmp_path / "r").exists()


class Slower(Callback):
    """The machine takes twice as long as it did, from an epoch on."""

    def __init__(self, deadline: list[Hours], seconds: list[float]) -> None:
        self.deadline, self.seconds = deadline, seconds

    def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:
        object.__setattr__(record, "seconds", self.seconds[record.epoch - 1])
        self.deadline[0].seconds -= record.seconds


def test_where_the_machine_gets_slower_the_rate_still_ends_with_the_last_epoch(
    costs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Hours] = []

    def remembered(seconds: float) -> Hours:
        made.append(Hours(seconds))
        return made[0]

    monkeypatch.setattr("kerascnn.training.train.Deadline", remembered)
    slower = Slower(made, [10.0, 20.0, 20.0, 20.0, 20.0])
    run = training.fit(
        TrainConfig(out="r", time="110s", optimizer="sgd", ema=0.9, **OPTIONS),
        slower,  # type: ignore[arg-type]
    )
    # Eight were planned; 95 s less 10 and 20 are enough for three more of 20.
    assert len(run.history) == run.config.epochs == 5
    assert run.history[-1].learning_rate == pytest.approx(0, abs=1e-6)
    assert np.isfinite([row.loss for row in run.history]).all()


@pytest.mark.parametrize(
    ("epochs", "position", "fit", "kept"),
    [
        ([10], Position(0, 4), 3, [7]),
        ([4, 16], Position(0, 2), 9, [3, 8]),
        ([4, 16], Position(1, 6), 5, [4, 11]),
        ([4, 4], Position(0, 3), 1, [3, 1]),
    ],
)
def test_what_has_been_done_stays(
    epochs: list[int], position: Position, fit: int, kept: list[int]
) -> None:
    assert shorten_remaining(epochs, position, fit) == kept


def test_resumed_it_has_the_epochs_that_were_chosen(costs: None) -> None:
    class StopAfterTwo(Callback):
        def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:
            if record.epoch == 2:
                raise KeyboardInterrupt

    asked = {"out": "r", "time": "60s", **OPTIONS}
    with pytest.raises(KeyboardInterrupt):
        training.fit(TrainConfig(**asked), StopAfterTwo())  # type: ignore[arg-type]
    run = training.fit(resumed_config(asked), resume=True)
    assert len(run.history) == 4
    whole = training.fit(TrainConfig(**{**asked, "out": "whole"}))  # type: ignore[arg-type]
    assert Run(Path("r")).card.weights_sha256 == whole.card.weights_sha256


def test_measuring_changes_nothing(tmp_path: Path) -> None:
    """A run that was measured first learns what one learns that names its epochs."""
    timed = training.fit(
        TrainConfig(out="timed", time="24h", epochs=1, deterministic=True, **OPTIONS)  # type: ignore[arg-type]
    )
    plain = training.fit(TrainConfig(out="plain", epochs=1, deterministic=True, **OPTIONS))  # type: ignore[arg-type]
    assert timed.card.weights_sha256 == plain.card.weights_sha256
