"""One declaration for each option: checks, conversion, and runs of earlier versions."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from kerascnn import training
from kerascnn.cli import main
from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig
from kerascnn.training.old_config import removed_options

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("data", Path("x"), "x"), ("devices", 2, "2"), ("devices", "all", "all"),
        ("epochs", "3", 3), ("batch_size", np.int64(16), 16), ("batch_size", 16.0, 16),
        ("learning_rate", np.float64(0.5), 0.5), ("learning_rate", 1, 1.0), ("val", "0.2", 0.2),
        ("val", Path("v"), "v"), ("phase", ["head:3"], ("head:3",)), ("strict", np.True_, True),
        ("image_size", None, None),
    ],
)  # fmt: skip
def test_what_is_safe_is_converted(name: str, given: Any, kept: Any) -> None:
    found = getattr(TrainConfig(**{name: given}), name)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("batch_size", 16.5), ("batch_size", True), ("batch_size", None), ("epochs", "three"),
        ("epochs", 0), ("learning_rate", float("nan")), ("ema", float("inf")), ("seed", -1),
        ("strict", "yes"), ("strict", 1), ("augment", "trivial"), ("data", 3), ("time", 600),
        ("val", "1.5"), ("phase", [3]), ("devices", 0), ("resize", "stretch"), ("mixup", []),
    ],
)  # fmt: skip
def test_what_is_not_is_refused_with_the_fields_name(name: str, given: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is .*; expected "):
        TrainConfig(**{name: given})


def test_the_command_line_names_its_own_options() -> None:
    done = CliRunner().invoke(main, ["train", "--batch-size", "16.5"])
    assert done.exit_code == 2
    assert done.stderr == ("Error: --batch-size is 16.5; expected at least 1, or auto.\n")
    both = CliRunner().invoke(main, ["train", "--random-crop", "0.3", "--trainable", "auto",
                                     "--weights", "imagenet", "--model", "resnet18"])  # fmt: skip
    assert both.stderr.startswith("Error: --trainable auto needs pictures of the network's size, ")


def test_the_small_stem_of_an_old_configuration_is_a_network() -> None:
    text = (GOLDEN / "old_config_resnet18.json").read_text(encoding="utf-8")
    found = TrainConfig.from_json(text, "config.json")
    assert (found.model, found.augment, found.epochs) == ("resnet18_small", "light", 3)
    assert removed_options(text) == {
        "schedule": "one-cycle", "stem": "small", "augment": "trivial", "model": "resnet18",
    }  # fmt: skip


def test_an_old_run_goes_on_and_an_old_file_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import logging

    from kerascnn.inference import Classifier

    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    folder = shutil.copytree(GOLDEN / "old_run", tmp_path / "run")
    run = training.open_run(folder)
    assert (run.config.model, run.config.augment) == ("cnn", "strong")
    done = training.fit(
        training.TrainConfig(
            out=str(folder), model="cnn", image_size=10, epochs=2, batch_size=512, augment="strong"
        ),
        resume=True,
    )
    assert (len(done.history), done.is_finished) == (2, True)
    assert "with schedule one-cycle, which no longer exists" in caplog.text
    picture = np.zeros((28, 28, 3), np.uint8)
    (answer,) = Classifier(GOLDEN / "old_run.onnx").predict([picture])
    assert answer.label in done.card.classes


def test_a_run_looks_its_network_up_once(tmp_path: Path) -> None:
    found = []

    def count(frame: Any, event: str, _arg: Any) -> None:
        if event == "call" and frame.f_code.co_name == "find_network":
            found.append(frame.f_back.f_code.co_name)

    config = TrainConfig(out=str(tmp_path / "r"), model="cnn", image_size=10, epochs=1)
    sys.setprofile(count)
    try:
        training.fit(config)
    finally:
        sys.setprofile(None)
    assert found == ["_fit"]
