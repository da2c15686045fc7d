"""Validation pictures that are training pictures: counted as they lie in memory."""

import logging

import numpy as np
import pytest
from PIL import Image

from kerascnn import training
from kerascnn.errors import KerascnnError
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.feed import count_leaks


def made(count: int, side: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = [Image.fromarray(one) for one in rng.integers(0, 256, (count, 6, 6, 3), np.uint8)]
    return np.stack([np.asarray(one.resize((side, side))) for one in small])


def resized(pictures: np.ndarray, side: int) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side))) for one in pictures])


@pytest.mark.parametrize("stored", [56, 64])
def test_copies_are_counted_at_the_same_size_and_where_crops_are_kept_larger(stored: int) -> None:
    source = made(30, 112, 0)
    train, val = resized(source[:20], stored), resized(source[15:], 56)
    assert count_leaks(train, val) == 5
    assert count_leaks(train[:10], val) == 0


def test_pictures_that_differ_in_a_corner_are_no_copies() -> None:
    train = made(3, 16, 0)
    val = train.copy()
    val[:2, 0, 0] ^= 1
    assert count_leaks(train, val) == 1


class Stop(Callback):
    """Ends a run before its first step."""

    def on_phase_begin(self, epochs: int, steps: int, batch_size: int) -> None:
        raise KerascnnError("before the first step")


@pytest.mark.parametrize(("copies", "told"), [(4, True), (0, False)])
def test_a_run_says_so_before_its_first_step(
    copies: int, told: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    train, other = made(12, 12, 0), made(8, 12, 1)
    other[:copies] = train[:copies]
    np.savez("d.npz", x_train=train, y_train=np.arange(12) % 2, x_val=other, y_val=np.arange(8) % 2)
    with pytest.raises(KerascnnError, match="before the first step"):
        training.fit(TrainConfig(data="d.npz", model="cnn", image_size=12, out="r"), Stop())
    assert ("4 of 8 validation pictures are also training pictures" in caplog.text) == told
