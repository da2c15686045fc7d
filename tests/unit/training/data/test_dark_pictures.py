"""Pictures whose values use a small part of the range, such as 12 bits stored as 16."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.dataset.check.checking import check_data
from kerascnn.training import TrainConfig
from kerascnn.training.callbacks import Callback
from kerascnn.training.data.feed import prepare


def write(bits: int) -> str:
    """Write noise of so many bits as 16-bit PNG, the other class as 16-bit TIFF."""
    for label, form in (("a", "png"), ("b", "tif")):
        Path("data", label).mkdir(parents=True)
        for number in range(6):
            noise = np.random.default_rng(number).integers(0, 1 << bits, (16, 16), np.uint16)
            Image.fromarray(noise).save(Path("data", label, f"{number}.{form}"))
    return "data"


@pytest.mark.parametrize(("bits", "highest"), [(16, 0), (12, 16), (10, 4)])
def test_it_is_told_before_training_and_by_the_check(
    bits: int, highest: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    data = write(bits)
    prepare(TrainConfig(data=data, model="cnn", image_size=16, cache="none"), Callback())
    told = f"all pictures are nearly black, with values up to {highest} of 255. Scale them"
    assert (told in caplog.text) == bool(highest)
    odd = [one for one in check_data(data, smallest=1).odd if one.what == "mode"]
    assert len(odd) == 12
    assert all(("nearly black" in str(one.detail)) == bool(highest) for one in odd)
