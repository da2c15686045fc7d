"""A run that was begun with relative paths, and is used from another folder."""

from pathlib import Path

import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import DataError
from kerascnn.training.config import TrainConfig
from kerascnn.training.evaluation import predict_run


def write_pictures(path: Path, seed: int) -> None:
    path.parent.mkdir(exist_ok=True)
    pictures = np.random.default_rng(seed).integers(0, 256, (40, 12, 12), dtype=np.uint8)
    pictures[::2] //= 4
    np.savez(path, x_train=pictures, y_train=np.array(["bright", "dark"] * 20)[::-1])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_pictures(tmp_path / "here" / "pictures.npz", 0)
    monkeypatch.chdir(tmp_path / "here")
    options = {"image_size": 12, "epochs": 1, "batch_size": 8, "val": 0.5}
    training.fit(TrainConfig(data="pictures.npz", out="run", **options))  # type: ignore[arg-type]
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    return tmp_path / "here" / "run"


def test_it_is_judged_on_its_own_pictures_from_anywhere(run: Path) -> None:
    from_there = predict_run(run)
    write_pictures(Path("pictures.npz"), 1)  # of the same name
    assert predict_run(run).logits.tolist() == from_there.logits.tolist()
    (run.parent / "pictures.npz").unlink()
    assert predict_run(run).logits.tolist() != from_there.logits.tolist()
    Path("pictures.npz").unlink()
    with pytest.raises(DataError, match=r"^pictures\.npz: does not exist"):
        predict_run(run)


def test_it_is_resumed_from_anywhere(run: Path) -> None:
    (run / "checkpoint" / "finished.txt").unlink()
    options = {"image_size": 12, "epochs": 1, "batch_size": 8, "val": 0.5}
    asked = TrainConfig(data="pictures.npz", out=str(run), **options)  # type: ignore[arg-type]
    resumed = training.fit(asked, resume=True)
    assert resumed.is_finished
    assert resumed.config.data == "pictures.npz"


def test_a_file_about_the_machine_that_was_edited_is_no_reason_to_fail(run: Path) -> None:
    for text in ("", "[]", '{"directory": 5}', '{"directory": "/no/such"}'):
        (run / "machine.json").write_text(text)
        with pytest.raises(DataError, match=r"^pictures\.npz: does not exist"):
            predict_run(run)
