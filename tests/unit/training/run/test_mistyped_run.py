"""A mistyped path of a run or a model: the nearest one that exists is suggested."""

import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.errors import DataError
from kerascnn.training.config import TrainConfig
from kerascnn.training.evaluation import run_data
from kerascnn.training.run.folder import Run


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("export runs/mien --onnx", "runs/mine"),
        ("evaluate runs/mien", "runs/mine"),
        ("report runs/mien", "runs/mine"),
        ("summary runs/mien", "runs/mine"),
        ("summary runs/mine/modle.keras", "runs/mine/model.keras"),
        ("explain runs/mien a.png", "runs/mine"),
        ("push runs/mien jane/flowers --license mit", "runs/mine"),
        ("train --resume --out runs/mien", "runs/mine"),
        ("train fashion-mini --weights runs/mine/modle.keras", "runs/mine/model.keras"),
        ("train --config runs/mine/confg.json", "runs/mine/config.json"),
        ("train dta", "data"),
        ("predict mien.onnx a.png", "mine.onnx"),
        ("card mien.onnx", "mine.onnx"),
        ("score mien.onnx a.png --out scores", "mine.onnx"),
        ("serve mien.onnx", "mine.onnx"),
    ],
)
def test_the_nearest_path_is_suggested(command, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/mine/model.keras", "runs/mine/config.json", "data/x", "mine.onnx", "a.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    done = CliRunner().invoke(main, command.split())
    assert done.exit_code in (1, 2), done.output
    assert done.stderr.rstrip().endswith(f"Did you mean {meant}?")


def test_data_that_is_gone_is_told_with_what_to_give_instead(tmp_path) -> None:
    run = Run(tmp_path)
    run.config_path.write_text(TrainConfig(data=str(tmp_path / "gone")).to_json())
    with pytest.raises(DataError, match=r"gone: does not exist.*: DATA, or for export `verify`"):
        run_data(run)
