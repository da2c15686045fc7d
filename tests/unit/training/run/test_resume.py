"""Going on with a run: what is restored, and what is refused."""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import BusyError, ConfigError, DataError, KerascnnError, ModelFileError
from kerascnn.file_lock import locked
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.checkpoint import latest_checkpoint
from kerascnn.training.run.folder import Run
from kerascnn.training.run.resume import resumed_config

PHASES = ("head:1", "all:3")


class CtrlC(Callback):
    """Presses Ctrl-C in an epoch."""

    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        if epoch == self.at:
            raise KeyboardInterrupt


def write_clothes(path: Path, counts: tuple[int, ...] = (70, 50, 30, 10)) -> Path:
    """Write real pictures of four classes."""
    from kerascnn.dataset import load_dataset

    train = load_dataset("fashion-mini").splits["train"]
    chosen = np.concatenate([np.flatnonzero(train.labels == k)[:n] for k, n in enumerate(counts)])
    pictures = np.stack([train.pictures[int(index)] for index in chosen])
    np.savez(path, x_train=pictures, y_train=train.labels[chosen])
    return path


def config(data: Path, out: Path, **options: object) -> TrainConfig:
    small = {"image_size": 12, "batch_size": 32, "augment": "light", "phase": PHASES,
             "learning_rate": 0.003, **options}  # fmt: skip
    return TrainConfig(data=str(data), out=str(out), **small)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clothes(tmp_path_factory.mktemp("data") / "clothes.npz")


@pytest.fixture(scope="module")
def whole(clothes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run without a stop."""
    return training.fit(config(clothes, tmp_path_factory.mktemp("whole") / "r"))


@pytest.fixture(scope="module")
def stopped_once(clothes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped") / "r"
    with pytest.raises(KeyboardInterrupt):
        training.fit(config(clothes, folder), CtrlC(4))
    return folder


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """A copy of a run that was stopped in the middle of its last epoch."""
    return shutil.copytree(stopped_once, tmp_path / "r")


@pytest.fixture
def changing(clothes: Path) -> Iterator[Path]:
    """The data of those runs, as it was again afterwards."""
    before = clothes.read_bytes()
    yield clothes
    clothes.write_bytes(before)


def assert_ends_alike(run: Run, whole: Run) -> None:
    assert [row.epoch for row in run.history] == [1, 2, 3, 4]
    for one, other in zip(run.history, whole.history, strict=True):
        assert one.loss == pytest.approx(other.loss, abs=1e-5)
        assert one.learning_rate == other.learning_rate
    assert run.card.metrics["epoch"] == whole.card.metrics["epoch"]
    pairs = zip(run.load_model().get_weights(), whole.load_model().get_weights(), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_leaves_a_usable_run_that_ends_as_without_it(
    clothes: Path, whole: Run, tmp_path: Path, epoch: int
) -> None:
    options = config(clothes, tmp_path / "r")
    with pytest.raises(KeyboardInterrupt):
        training.fit(options, CtrlC(epoch))
    assert training.open_run(tmp_path / "r").load_model().output_shape == (None, 4)
    assert_ends_alike(training.fit(options, resume=True), whole)


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_one_epoch(
    clothes: Path,
    whole: Run,
    stopped: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    (stopped / "checkpoint" / "epoch-000003.npz").write_bytes(b"PK damaged")
    # The feed is no part of the result, so it may change on the way.
    monkeypatch.setenv("KERASCNN_FEED", "streamed")
    assert_ends_alike(training.fit(config(clothes, stopped), resume=True), whole)
    assert "epoch-000003.npz: cannot be read" in caplog.text


@pytest.mark.slow
def test_a_better_epoch_whose_model_was_not_written_is_written_again(
    clothes: Path, whole: Run, stopped: Path
) -> None:
    # As after a kill between the checkpoint of epoch 2, the best so far, and model.keras.
    (stopped / "checkpoint" / "epoch-000003.npz").unlink()
    (stopped / "model.keras").write_bytes(b"of an earlier epoch")
    checkpoint = latest_checkpoint(stopped / "checkpoint")
    assert checkpoint is not None
    assert checkpoint.best == 2
    assert_ends_alike(training.fit(config(clothes, stopped), resume=True), whole)


def test_when_none_can_be_read_that_is_told(stopped: Path) -> None:
    for path in (stopped / "checkpoint").glob("*.npz"):
        path.write_bytes(b"")
    with pytest.raises(ModelFileError, match="no checkpoint in it can be read"):
        latest_checkpoint(stopped / "checkpoint")


def test_the_last_two_checkpoints_are_kept(whole: Run) -> None:
    names = sorted(os.listdir(whole.checkpoint_folder))
    assert names == ["epoch-000003.npz", "epoch-000004.npz", "finished.txt"]


def test_a_checkpoint_holds_optimizer_and_random_state(stopped: Path) -> None:
    checkpoint = latest_checkpoint(stopped / "checkpoint")
    assert checkpoint is not None
    integers = [array for array in checkpoint.stage if array.dtype.kind in "iu"]
    # Seeds and counters of flip and shift, and the optimizer's steps in this phase.
    assert sum(array.shape == (2,) for array in integers) == 2
    assert any(array.shape == () and array == 10 for array in integers)
    # Two moments for each of the network's twelve arrays that learn.
    assert sum(array.dtype == np.float32 and array.ndim > 0 for array in checkpoint.stage) == 24


def test_a_finished_run_says_so(
    clothes: Path, whole: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    before = whole.model_path.read_bytes()
    training.fit(config(clothes, whole.folder), resume=True)
    assert "finished already" in caplog.text
    assert whole.model_path.read_bytes() == before


def test_changed_options_are_named(clothes: Path, stopped: Path) -> None:
    changed = "`batch_size` was 32 and is now 16; `seed` was 0 and is"
    with pytest.raises(ConfigError, match=changed):
        training.fit(config(clothes, stopped, batch_size=16, seed=1), resume=True)


def test_options_that_are_equal_in_effect_are_no_change(
    clothes: Path, stopped: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.npz").symlink_to(clothes)
    same = {"device": "cpu", "strict": True, "resize": Run(stopped).card.resize}
    for data in (tmp_path / "link.npz", os.path.relpath(clothes), f"{clothes.parent}//clothes.npz"):
        assert resumed_config({"out": str(stopped), "data": str(data), **same}).resize
    other = write_clothes(tmp_path / "other.npz")
    with pytest.raises(ConfigError, match=r"`data` was .* and is now"):
        resumed_config({"out": str(stopped), "data": str(other)})
    crop = "crop" if same["resize"] != "crop" else "squash"
    with pytest.raises(ConfigError, match=f"`resize` was None and is now {crop}"):
        resumed_config({"out": str(stopped), "resize": crop})


@pytest.mark.parametrize(
    ("optimizer", "pictures", "defaults"),
    [
        ("adamw", 160, {"weight_decay": 0.05, "val": 0.1, "learning_rate": 0.008}),
        ("sgd", 20_001, {"weight_decay": 0.005, "val": 0.05, "learning_rate": 0.08}),
    ],
)
def test_the_numbers_of_defaults_are_no_change(
    stopped: Path, optimizer: str, pictures: int, defaults: dict[str, float]
) -> None:
    run = Run(stopped)
    run.save_config(replace(run.config, optimizer=optimizer, learning_rate=None))
    run.save_card(replace(run.card, data=run.card.data | {"train": pictures - 16, "skipped": 0}))
    for name, value in defaults.items():
        assert getattr(resumed_config({"out": str(stopped), name: value}), name) == value
        with pytest.raises(ConfigError, match=f"`{name}` was None and is now 0.3"):
            resumed_config({"out": str(stopped), name: 0.3})


def test_data_that_was_moved_is_verified_and_recorded(
    changing: Path, whole: Run, stopped: Path, tmp_path: Path
) -> None:
    moved = tmp_path / changing.name
    changing.rename(moved)
    before = Run(stopped).config
    other = write_clothes(tmp_path / "other.npz", (70, 50, 29, 10))
    with pytest.raises(DataError, match="train had 144 pictures and has 143"):
        training.fit(config(other, stopped), resume=True)
    assert Run(stopped).config == before
    assert_ends_alike(training.fit(config(moved, stopped), resume=True), whole)
    assert Run(stopped).config.data == str(moved)
    assert training.evaluate_run(Run(stopped)).images == whole.card.data["val"]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((70, 50, 29, 10), "train had 144 pictures and has 143"),
        ((70, 50, 30), "the classes were 0, 1, 2, 3 and are 0, 1, 2"),
    ],
)
def test_changed_data_is_named(
    changing: Path, stopped: Path, counts: tuple[int, ...], said: str
) -> None:
    write_clothes(changing, counts)
    with pytest.raises(DataError, match=said):
        training.fit(config(changing, stopped), resume=True)


def test_changed_pixels_are_noticed(changing: Path, stopped: Path) -> None:
    arrays = dict(np.load(changing))
    arrays["x_train"][0] = 255 - arrays["x_train"][0]
    np.savez(changing, **arrays)
    with pytest.raises(DataError, match="the pixels of some pictures"):
        training.fit(config(changing, stopped), resume=True)


def test_two_runs_never_write_to_one_folder(clothes: Path, tmp_path: Path) -> None:
    with locked(tmp_path / ".lock"), pytest.raises(BusyError, match="another process is writing"):
        training.fit(config(clothes, tmp_path))


def test_without_resume_a_run_is_not_overwritten(clothes: Path, whole: Run) -> None:
    with pytest.raises(ConfigError, match="already holds a run"):
        training.fit(config(clothes, whole.folder))


def test_overwrite_replaces_a_run_and_only_when_another_begins(
    clothes: Path, whole: Run, tmp_path: Path
) -> None:
    run = Run(shutil.copytree(whole.folder, tmp_path / "r"))
    mine = {"notes.txt", ".x.tmp1", ".notes.tmp", "a.kerascnn.tmp"}
    for name in mine:
        (run.folder / name).write_text("mine")
    (
        run.folder / ".model.ab_c12de.kerascnn.tmp.keras"
    ).touch()  # ours, of a process that was killed
    before = run.model_path.read_bytes()
    with pytest.raises(ConfigError, match="no block 'conv9'"):
        training.fit(config(clothes, run.folder, phase=("conv9:1",)), overwrite=True)
    assert (run.is_finished, run.model_path.read_bytes()) == (True, before)
    training.fit(config(clothes, run.folder, phase=("head:1",), seed=5), overwrite=True)
    assert (run.config.seed, len(run.history)) == (5, 1)
    assert sorted(os.listdir(run.checkpoint_folder)) == ["epoch-000001.npz", "finished.txt"]
    assert all((run.folder / name).read_text() == "mine" for name in mine)
    assert not list(run.folder.glob(".model.*"))
    with pytest.raises(ConfigError, match="use one of them"):
        training.fit(config(clothes, run.folder), resume=True, overwrite=True)


def test_nothing_to_go_on_with_and_no_data_is_refused() -> None:
    from click.testing import CliRunner

    from kerascnn.cli import main

    done = CliRunner().invoke(main, ["train", "--out", "typo", "--resume"])
    assert done.exit_code == 2
    assert "typo: no run to resume" in done.output
    assert not Path("typo").exists()


def test_what_cannot_be_written_is_told_before_any_work(clothes: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KerascnnError, match="cannot write"):
        training.fit(config(clothes, tmp_path / "file" / "r"))


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("file", "`out` is file, a file. Expected a folder"),
        ("~/r", "Expected a path, such as"),
        ("s3://b/r", "a URL. Expected a local folder"),
    ],
)
def test_places_that_no_run_can_have(clothes: Path, out: str, told: str) -> None:
    Path("file").touch()
    with pytest.raises(ConfigError, match=re.escape(told)):
        training.fit(TrainConfig(str(clothes), out=out))
    assert os.listdir() == ["file"]


def test_the_folder_of_the_pictures_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for out in ("data", "data/", "link"):
        with pytest.raises(ConfigError, match=r"`out` is .*, the folder of the pictures\."):
            training.fit(TrainConfig(data=str(tmp_path / "data"), out=f"{tmp_path}/{out}"))
    assert os.listdir(tmp_path / "data") == ["cat"]


def test_a_run_that_cannot_begin_leaves_no_folder(clothes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        training.fit(config(clothes, tmp_path / "new" / "r", phase=("conv9:1",)))
    assert not (tmp_path / "new").exists()
