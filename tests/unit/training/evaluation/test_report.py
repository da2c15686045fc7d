"""The report that every training run leaves behind."""

import json
import logging
import shlex
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.errors import DataError
from kerascnn.training import TrainConfig
from kerascnn.training.command_line import commands, train_command
from kerascnn.training.evaluation import report as reporting
from kerascnn.training.run.folder import open_run
from kerascnn.training.train import fit

pytestmark = pytest.mark.page


@pytest.mark.slow
def test_every_run_ends_with_a_report(trained):
    page = (trained / "report.html").read_text(encoding="utf-8")
    top1 = open_run(trained).card.metrics["val_top1"]
    assert f"{top1:.1%}" in page
    for words in ("Ankle boot", "block1_conv", "227,026", "kerascnn train fashion-mini", "360"):
        assert words in page


@pytest.mark.slow
def test_a_failing_report_is_told_and_loses_nothing(tmp_path, monkeypatch, caplog):
    def fail(_content):
        raise ValueError("no ink")

    monkeypatch.setattr(reporting, "render_page", fail)
    with caplog.at_level(logging.WARNING, "kerascnn"):
        run = fit(TrainConfig(out=str(tmp_path / "run"), epochs=1))
    assert "no ink" in caplog.text
    assert "The run itself is complete." in caplog.text
    assert run.model_path.is_file()
    assert not run.report_path.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mixup": 0.2}, "--mixup 0.2"),
        pytest.param({"random_crop": 0.3}, "--random-crop 0.3", marks=pytest.mark.slow),
        pytest.param({"cutmix": 1.0}, "--cutmix 1.0", marks=pytest.mark.slow),
        pytest.param({"augment": "light"}, "--augment light", marks=pytest.mark.slow),
    ],
)
def test_the_report_shows_pictures_before_and_after_they_are_changed(options, told, tmp_path):
    run = fit(TrainConfig(out=str(tmp_path / "r"), image_size=12, epochs=1, **options))
    page = run.report_path.read_text(encoding="utf-8")
    assert ', augmented"' in page
    assert told in page


def test_the_command_in_the_report_gives_the_same_configuration():
    from kerascnn.cli.train import command

    config = TrainConfig(
        data="my pictures/꽃", out="runs/a b", image_size=64, resize="crop", epochs=3,
        batch_size=16, learning_rate=0.01, augment="light", val=0.2, seed=7, deterministic=True,
        strict=True, phase=("head:1", "from:block2:2:0.001"),
    )  # fmt: skip
    words = shlex.split(train_command(config))
    assert words[:2] == ["kerascnn", "train"]
    options = command.make_context("train", words[2:]).params
    kept = {field.name: options[field.name] for field in fields(TrainConfig)}
    assert TrainConfig(**kept) == config


@pytest.mark.slow
def test_phases_that_patience_ended_and_the_command_that_repeats_them():
    pictures = np.random.default_rng(0).integers(0, 256, (40, 12, 12), np.uint8)
    np.savez("d.npz", x_train=pictures, y_train=np.arange(40) % 2)
    # So low a rate changes no answer: no epoch is better than the first.
    options = {"image_size": 12, "learning_rate": 1e-30, "patience": 1, "calibration": False}
    config = TrainConfig(
        data="d.npz", model="cnn", out="runs/r", phase=("head:4", "all:4"), **options
    )
    run = fit(config)
    assert len(run.history) == 3
    found = list(reporting._phase_spans(run.config, run.history))
    assert [(one.scope, one.first, one.last) for one in found] == [("head", 1, 2), ("all", 3, 3)]
    pip, repeat, export = commands(run, run.card, run.config)
    assert pip.startswith("pip install 'kerascnn[train]==")
    words = shlex.split(repeat)
    assert words[words.index("--patience") + 1] == "1"
    assert export == f"kerascnn export {words[words.index('--out') + 1]} --onnx"
    done = CliRunner().invoke(main, words[1:])
    assert done.exit_code == 0, done.output
    (again,) = (path for path in Path("runs").iterdir() if path.name != "r")
    assert [row.val_loss for row in open_run(again).history] == pytest.approx(
        [row.val_loss for row in run.history], rel=1e-5
    )


@pytest.mark.slow
def test_a_run_whose_own_data_is_gone_is_judged_on_other(tmp_path, trained, caplog):
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "data": str(tmp_path / "gone")}))
    with pytest.raises(DataError, match="gone"):
        reporting.report_run(open_run(folder))
    with caplog.at_level(logging.WARNING, "kerascnn"):
        page = reporting.report_run(open_run(folder), "fashion-mini", path=str(tmp_path / "p.html"))
    assert "shows pictures of fashion-mini instead" in caplog.text
    assert "test pictures evaluated" in page.read_text(encoding="utf-8")


def test_defaults_are_left_out_of_the_command_but_not_the_seed():
    assert train_command(TrainConfig()) == "kerascnn train fashion-mini --seed 0"
