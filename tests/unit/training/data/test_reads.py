"""No command lists a folder or reads a picture more often than it has to."""

import builtins
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kerascnn import training
from kerascnn.dataset import load_dataset
from kerascnn.training.config import TrainConfig
from kerascnn.training.evaluation import evaluate_run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """40 noisy pictures in two classes that are easily told apart."""
    for name, level in {"dark": 0, "light": 128}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(20):
            noise = np.random.default_rng([level, number]).integers(0, 128, (40, 40, 3))
            pixels = (noise + level).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the openings of each picture and the listings of each folder."""
    counts: Counter[str] = Counter()
    opened, listed = builtins.open, os.scandir

    def open_(file: Any, *values: Any, **named: Any) -> Any:
        counts[str(file)] += str(file).endswith(".png")
        return opened(file, *values, **named)

    def scandir(folder: Any = ".") -> Any:
        counts[str(folder)] += 1
        return listed(folder)

    monkeypatch.setattr(builtins, "open", open_)
    monkeypatch.setattr(os, "scandir", scandir)
    return counts


def test_folders_are_listed_once_for_classes_and_once_for_pictures(
    data: Path, reads: Counter[str]
) -> None:
    load_dataset(data)
    # A third listing, to tell a class from exported files, ends at the first picture.
    assert [reads[str(data / name)] for name in ("dark", "light")] == [3, 3]


def test_training_reads_each_header_and_each_picture_once(
    data: Path, tmp_path: Path, reads: Counter[str]
) -> None:
    out, few = str(tmp_path / "run"), {"weights": "none", "epochs": 8, "refit": "yes"}
    run = training.fit(TrainConfig(data=str(data), out=out, **few))  # type: ignore[arg-type]
    assert run.second.card_path.exists()  # the second training reads none
    openings = Counter(reads[str(path)] for path in data.glob("*/*.png"))
    assert openings == {2: 36, 1: 4}  # training pictures, validation pictures
    reads.clear()
    evaluate_run(run, leaks=True)
    assert [reads[str(data / name)] for name in ("dark", "light")] == [3, 3]
