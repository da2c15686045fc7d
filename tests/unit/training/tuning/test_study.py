"""`tune`: the best of many runs is kept, what fails is named, and a study goes on."""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.errors import ConfigError, DataError, KerascnnError, ModelFileError
from kerascnn.options import help_text, options_of
from kerascnn.training.auto import model
from kerascnn.training.auto.model import choose_network
from kerascnn.training.callbacks import Callback, EpochRecord, Plan
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.tuning import study
from kerascnn.training.tuning.request import Search
from kerascnn.training.tuning.search_space import (
    PRETRAINED,
    SMALL,
    first_trial,
    search_start,
    suggested,
)
from kerascnn.training.tuning.study import search

CONFIG = TrainConfig(data="pictures.npz", epochs=3)

Curve = Callable[[int], list[float]]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[[Curve], list[TrainConfig]]:
    """Put curves of validation accuracy in the place of training: one a trial."""

    def use(curve: Curve, pictures: int = 100) -> list[TrainConfig]:
        made: list[TrainConfig] = []

        def fit(config: TrainConfig, progress: Any) -> Any:
            made.append(config)
            folder = Path(config.out or "")
            folder.mkdir(parents=True)
            values = curve(len(made) - 1)
            progress.on_plan(plan_of(config, folder, len(values), pictures))
            for epoch, value in enumerate(values, 1):
                progress.on_epoch_end(EpochRecord(epoch, 0.1, 1.0, 0.5, 1.0, value, 1.0, 1.0), True)
            metrics = {"val_top1": values[-1], "val_loss": 1.0 / len(made)}
            return SimpleNamespace(config=config, card=SimpleNamespace(metrics=metrics))

        monkeypatch.setattr(study, "fit", fit)
        # Of networks there are none, and it would look at all of TensorFlow.
        monkeypatch.setattr(study, "gc", SimpleNamespace(collect=lambda: 0))
        return made

    return use


def plan_of(config: TrainConfig, folder: Path, epochs: int, pictures: int) -> Plan:
    """A run of that many epochs, judged on that many pictures."""
    return Plan(
        config.data, {"train": 900, "val": pictures}, (450, 450), 32, 32, "squash", config.model,
        9, 9, "none", "cpu", "TensorFlow", "float32", 64, 15, ((epochs, 0.1),), "adamw", (), folder,
    )  # fmt: skip


def asked(trials: int = 1, time: str = "99h", **more: Any) -> Search:
    return Search(CONFIG, Path("tune"), time, trials, ("cnn", "lenet5"), **more)


def test_the_best_is_found_and_those_that_lag_are_pruned(trained) -> None:
    made = trained(lambda trial: [0.1, 0.1, 0.99] if trial == 5 else [0.5, 0.6, 0.7 + trial / 100])
    found = search(asked(7))
    assert found.trials == {"complete": 6, "pruned": 1}
    assert (found.val_top1, found.run.name) == (pytest.approx(0.76), "trial-0006")
    assert {path.name for path in Path("tune").glob("trial-*")} == {
        f"trial-{number:04}" for number in (0, 1, 2, 3, 4, 6)
    }
    best = made[6]
    for part in (f"--model {best.model}", f"--learning-rate {best.learning_rate:g}"):
        assert part in found.command.replace("--model cnn", f"--model {best.model}", 1)
    assert "--out" not in found.command
    assert set(found.importances) == {"network", "rate", "augmentation"}


def test_the_first_trial_is_what_train_chooses(trained) -> None:
    made = trained(lambda trial: [0.7 - trial / 100])
    found = search(asked(3))
    assert replace(made[0], out=None) == replace(CONFIG, model="cnn", refit="no")
    assert (found.run.name, found.params) == ("trial-0000", {})
    assert (found.pictures, found.within_chance) == (100, 2)
    # Importances are those of the settings that were suggested.
    assert set(search(asked(2)).importances) == {"network", "rate", "augmentation"}


@pytest.mark.parametrize(("others", "best"), [(0.74, "trial-0000"), (0.76, "trial-0002")])
def test_luck_does_not_replace_what_train_chooses(others: float, best: str, trained) -> None:
    # Of 100 pictures: one standard error below 0.74 is 0.694, and below 0.76 it is 0.715.
    trained(lambda trial: [others if trial else 0.70])
    assert search(asked(3)).run.name == best


@pytest.mark.parametrize(("first", "best"), [(0.85, "trial-0000"), (0.80, "trial-0002")])
def test_very_few_pictures_have_to_tell_trials_apart(first: float, best: str, trained) -> None:
    # Of 20 pictures: the 95 % interval of 1.0 begins at 0.839, one standard error below is 0.952.
    trained(lambda trial: [1.0 if trial else first], pictures=20)
    assert search(asked(3)).run.name == best


def test_the_loss_decides_between_trials_of_one_accuracy(trained) -> None:
    trained(lambda trial: [0.4 if trial in (0, 3) else 0.6])
    found = search(asked(4))  # losses fall from trial to trial
    assert (found.run.name, found.within_chance) == ("trial-0002", 1)


def test_a_slow_start_is_no_reason_to_stop(trained) -> None:
    trained(lambda trial: [0.1, 0.1, 0.99] + 6 * [0.9] if trial == 5 else 9 * [0.5])
    assert search(asked(6)).run.name == "trial-0005"


def test_what_crashes_is_named_and_passed_over(trained) -> None:
    def curve(trial: int) -> list[float]:
        if trial == 0:
            raise MemoryError("no room for 9 GB\nof it")
        if trial == 1:
            raise KerascnnError("resnet50 takes pictures of at least 32 pixels.")
        return [0.5]

    trained(curve)
    found = search(asked(3))
    assert found.trials == {"complete": 1, "fail": 2}
    assert found.failed == {
        0: "MemoryError: no room for 9 GB of it",
        1: "resnet50 takes pictures of at least 32 pixels.",
    }
    assert [path.name for path in Path("tune").glob("trial-*")] == ["trial-0002"]


def test_no_trial_is_finished(trained) -> None:
    def curve(_trial: int) -> list[float]:
        raise MemoryError("no room")

    trained(curve)
    with pytest.raises(KerascnnError, match=r"no trial was finished \(trial 0: MemoryError: no"):
        search(asked(1))


@pytest.mark.parametrize("error", [DataError("no pictures"), KeyboardInterrupt()])
def test_what_ends_the_search(error: BaseException, trained) -> None:
    def curve(_trial: int) -> list[float]:
        raise error

    made = trained(curve)
    with pytest.raises(type(error)):
        search(asked(9))
    assert len(made) == 1


def test_a_study_goes_on(trained) -> None:
    trained(lambda _trial: [0.5])
    search(asked(2))
    trained(lambda _trial: [0.8])
    found = search(asked(1))
    assert (found.trials, found.run.name) == ({"complete": 3}, "trial-0002")


def test_a_study_of_something_else(trained) -> None:
    trained(lambda _trial: [0.5])
    search(asked())
    with pytest.raises(ConfigError, match="the study there has epochs 3, but this search has 4"):
        longer = TrainConfig(data="pictures.npz", epochs=4)
        search(Search(longer, "tune", "9s", 1, ("cnn", "lenet5")))
    with pytest.raises(ConfigError, match=r"networks \['cnn', 'lenet5'\]"):
        search(Search(CONFIG, "tune", "9s", 1, ("cnn",)))


def test_several_share_one_storage(trained) -> None:
    trained(lambda _trial: [0.5])
    storage = f"sqlite:///{Path('shared.db').absolute()}"
    search(asked(1, storage=storage))
    both = [threading.Thread(target=search, args=(asked(3, storage=storage),)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert search(asked(1, storage=storage)).trials == {"complete": 8}
    assert not Path("tune/study.db").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what is open from /proc")
def test_no_connection_stays_open(trained) -> None:
    trained(lambda _trial: [0.5])
    search(asked())
    with pytest.raises(ConfigError):
        search(Search(CONFIG, "tune", "9s", 1, ("cnn",)))
    assert not [
        one for one in Path("/proc/self/fd").iterdir() if "study.db" in os.path.realpath(one)
    ]


def test_time_that_is_up(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(study.time, "monotonic", lambda: now[0])

    def curve(_trial: int) -> list[float]:
        now[0] += 6
        return [0.5, 0.6]

    made = trained(curve)
    # The first is finished, however long it takes; the second is begun in time and ended late.
    found = search(asked(9, time="10s"))
    assert (len(made), found.trials) == (2, {"complete": 1, "pruned": 1})


@pytest.mark.parametrize("storage", ["nosuch://a/b", "sqlite:////nowhere/at/all.db", "words"])
def test_a_storage_that_cannot_be_opened(storage: str) -> None:
    with pytest.raises(KerascnnError, match="cannot be opened"):
        search(asked(1, storage=storage))


class Fixed:
    """Suggests the last of all choices and the upper limit."""

    def suggest_categorical(self, _name: str, choices: Any) -> Any:
        return choices[-1]

    def suggest_float(self, _name: str, _low: float, high: float, *, log: bool) -> float:
        return high if log else 0.0


@pytest.mark.parametrize("out", ["file", "file/x", "~/study", "s3://b/study"])
def test_a_folder_that_cannot_be_made(out: str) -> None:
    Path("file").touch()
    with pytest.raises(KerascnnError, match=f"`out` is {out}|{out}: cannot write"):
        search(Search(TrainConfig(model="cnn"), out=out, trials=1))
    assert os.listdir() == ["file"]


def test_what_is_suggested() -> None:
    config = suggested(Fixed(), replace(CONFIG, weights="none"), ("lenet5", "cnn"))
    assert (config.model, config.weights, config.trainable) == ("cnn", "none", "all")
    assert (config.learning_rate, config.augment, config.random_crop) == (0.024, "light", 0.35)
    pretrained = suggested(Fixed(), TrainConfig(weights="imagenet"), ("resnet50",))
    assert (pretrained.weights, pretrained.trainable) == ("imagenet", "head")


class Said(Callback):
    """Keeps what is said to be chosen."""

    def __init__(self) -> None:
        self.choices: list[str] = []

    def on_choice(self, option: str, _value: str, _reason: str) -> None:
        self.choices.append(option)


def test_where_a_search_starts(subset: Callable[[int], Path], cached: list[str]) -> None:
    config, said = TrainConfig(data=str(subset(20))), Said()
    assert search_start(config, (), said) == (replace(config, weights="none"), SMALL)
    assert search_start(config, ("cnn",), said) == (replace(config, weights="none"), ("cnn",))
    imagenet = replace(config, weights="imagenet")
    assert search_start(imagenet, (), said) == (imagenet, PRETRAINED)
    assert search_start(imagenet, ("resnet50",), said) == (imagenet, ("resnet50",))
    with pytest.raises(ConfigError, match="nosuch"):
        search_start(config, ("nosuch",), said)
    assert not cached
    photographs = replace(config, data=str(photographs_npz()))
    assert search_start(photographs, (), said)[1] == PRETRAINED
    assert cached == ["mobilenet_v3_large"]
    assert not said.choices  # the first trial says them
    assert first_trial(config, ()) == config
    assert first_trial(config, ("lenet5", "cnn")).model == "lenet5"


def test_missing_weights_are_said_by_the_first_trial_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*_: object) -> None:
        raise ModelFileError("no weights here.")

    monkeypatch.setattr(model, "ensure", missing)
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    config = TrainConfig(data=str(photographs_npz()))
    assert search_start(config, (), Said()) == (replace(config, weights="none"), SMALL)
    assert not caplog.records
    choose_network(first_trial(config, ()), run_dataset(config), Said())
    (said,) = set(caplog.records)  # pytest 9 may catch one twice
    assert said.getMessage() == "no weights here. Training cnn from random weights instead."


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """ImageNet weights of every network are on this machine; those that were looked for."""
    looked: list[str] = []
    monkeypatch.setattr(model, "ensure", lambda name, _progress: looked.append(name))
    return looked


def photographs_npz() -> Path:
    """Eight pictures that are too large not to be photographs."""
    path = Path("photographs.npz")
    pixels = np.random.default_rng(0).integers(0, 255, (8, 96, 96, 3), np.uint8)
    np.savez(path, x_train=pixels, y_train=np.arange(8) % 2)
    return path


def told(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["tune", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.output


def test_the_command(trained, subset: Callable[[int], Path]) -> None:
    trained(lambda trial: [(0.5, 0.65, 0.7)[trial % 3]])
    words = (str(subset(20)), "--out", "tune", "--trials", "3", "--model", "cnn")
    code, output = told(*words)
    assert code == 0, output
    assert "best: " in output
    assert "validation accuracy 70.00%" in output
    assert "1 of the other trials may be as good: 100 validation pictures cannot" in output
    assert "repeat: kerascnn train" in output
    assert Path("tune/importances.png").read_bytes().startswith(b"\x89PNG")
    code, output = told(*words, "--json")
    result = json.loads(output[output.index("{\n") :])
    assert (result["trials"], result["params"]["network"]) == ({"complete": 6}, "cnn")


def test_misuse() -> None:
    assert told("--time", "soon") == (
        2,
        "Error: --time is 'soon'; expected a duration, e.g. 10m, 90s or 1h30m.\n",
    )
    assert told("--trials", "0") == (2, "Error: --trials is 0; expected at least 1.\n")
    assert told("nowhere/")[0] == 1


def test_each_option_is_declared_once() -> None:
    # Before Click 8.2, arguments have no help.
    shown = {one.name: getattr(one, "help", None) for one in main.get_command(None, "tune").params}  # type: ignore[attr-defined]
    for name, (declared, its_field) in options_of(Search).items():
        assert shown[name] == help_text(declared, its_field.default), name
    search_request = Search(CONFIG, trials="3", model=["cnn"], time="1h30m")
    assert (search_request.trials, search_request.model) == (3, ("cnn",))
    assert search_request.seconds == 5400


@pytest.mark.full
def test_runs_that_are_really_trained(subset: Callable[[int], Path]) -> None:
    words = ("--out", "tune", "--trials", "2", "--epochs", "1", "--model", "lenet5")
    code, output = told(str(subset(100)), *words)
    assert code == 0, output
    assert "trials: 2 complete" in output
    assert len(list(Path("tune").glob("trial-*/report.html"))) == 2
