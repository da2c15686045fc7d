"""Pictures that a network has learned from are recognized, whatever they are called."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn import training
from kerascnn.cli import main
from kerascnn.inference.evaluation import evaluate_file
from kerascnn.training.config import TrainConfig


def write(folder: Path, first: int, count: int, size: int = 40) -> Path:
    """Write pictures of noise in two classes, each from its own seed."""
    for name in ("dark", "light"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            noise = np.random.default_rng([number, name == "dark"]).integers(
                0, 128, (size, size, 3)
            )
            pixels = (noise + 127 * (name == "light")).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module", params=[{}, {"random_crop": 0.5}], ids=["plain", "crops"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of the pictures 0 to 29 of each class."""
    folder = tmp_path_factory.mktemp("learned")
    write(folder / "data", 0, 30)
    small = {"model": "cnn", "image_size": 16, "epochs": 1, "calibration": False, "refit": "no"}
    data, out = str(folder / "data"), str(folder / "run")
    run = training.fit(TrainConfig(data=data, out=out, **small, **request.param))  # type: ignore[arg-type]
    training.export_onnx(run, folder / "m.onnx")
    return folder / "m.onnx"


def test_all_some_or_none_of_them_under_any_name(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)

    def told(data: Path, split: str | None = None) -> str:
        caplog.clear()
        evaluate_file(file, data, split)
        return caplog.text

    own = file.with_name("data")
    assert "some of these pictures (54 of the 54 training pictures that its card" in told(own)
    assert not told(own, "train")  # asked for
    renamed = shutil.copytree(own, Path("renamed/test"))
    for picture in sorted(renamed.glob("*/*.png"))[5:-3]:
        picture.unlink()
    write(Path("renamed/train"), 60, 2)
    assert "card remembers), so" in told(Path("renamed"))  # though they are its test pictures
    assert not told(write(Path("data"), 30, 30))  # others, of the same name and number
    assert "remembered 54 pictures" in CliRunner().invoke(main, ["card", str(file)]).stdout
