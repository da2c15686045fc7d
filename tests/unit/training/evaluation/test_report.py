"""The report that every training run leaves behind."""

import logging
import shlex
from dataclasses import fields

import pytest

from kerascnn.training import TrainConfig
from kerascnn.training import train as fit
from kerascnn.training.command_line import train_command
from kerascnn.training.evaluation import report as reporting
from kerascnn.training.run.folder import open_run

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
        pytest.param({"augment": "strong"}, "--augment strong", marks=pytest.mark.slow),
    ],
)
def test_the_report_shows_pictures_before_and_after_they_are_changed(options, told, tmp_path):
    run = fit(TrainConfig(out=str(tmp_path / "r"), image_size=12, epochs=1, **options))
    page = run.report_path.read_text(encoding="utf-8")
    assert ', changed"' in page
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


def test_defaults_are_left_out_of_the_command_but_not_the_seed():
    assert train_command(TrainConfig()) == "kerascnn train fashion-mini --seed 0"
