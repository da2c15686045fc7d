"""Mixup and CutMix: the pixels, the labels, and the loss that takes both."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn.errors import ConfigError
from kerascnn.training.augmentation.mixup import BatchMixing, mix
from kerascnn.training.config import TrainConfig
from kerascnn.training.train import fit
from kerascnn.training.trainer.loss import Loss

PICTURES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)


def mixed(recipe: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(mix(PICTURES, recipe))


def test_mixup_is_the_weighted_mean_with_the_mirrored_one() -> None:
    found = mixed(np.array([0.3, 0.3, 0, 0, 0, 0], np.float32))
    expected = 0.3 * PICTURES.astype(np.float64) + 0.7 * PICTURES[::-1]
    assert np.abs(found - expected).max() <= 0.51


def test_cutmix_takes_the_rectangle_from_the_mirrored_one() -> None:
    found = mixed(np.array([0.75, 1, 2, 6, 1, 5], np.float32))
    inside = np.zeros((8, 8), bool)
    inside[2:6, 1:5] = True
    np.testing.assert_array_equal(found[:, inside], PICTURES[::-1][:, inside])
    np.testing.assert_array_equal(found[:, ~inside], PICTURES[:, ~inside])


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_draws_follow_seed_and_epoch_and_tell_the_share_of_the_pixels(kind: str) -> None:
    mixing = BatchMixing(kind, 1.0)  # type: ignore[arg-type]
    found = mixing.draw(500, 8, 3, 1)
    np.testing.assert_array_equal(found, mixing.draw(500, 8, 3, 1))
    assert not np.array_equal(found, mixing.draw(500, 8, 3, 2))
    assert not np.array_equal(found, mixing.draw(500, 8, 4, 1))
    area = (found[:, 3] - found[:, 2]) * (found[:, 5] - found[:, 4]) / 64
    own = found[:, 1] * (1 - area)
    np.testing.assert_allclose(found[:, 0], own, atol=1e-6)
    assert 0.4 < found[:, 0].mean() < (0.6 if kind == "mixup" else 0.75)


def test_the_loss_takes_both_labels_by_their_shares() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    labels = np.array([0, 1, 2, 2], np.int32)
    weights = np.array([1, 2, 3], np.float32)
    for smoothing, weighed in ((0.0, None), (0.1, weights)):
        judge = Loss(3, smoothing, weighed)
        own, other = (float(judge(logits, part)[0]) for part in (labels, labels[::-1]))
        both, right = judge(logits, labels, np.float32(0.3))
        assert float(both) == pytest.approx(0.3 * own + 0.7 * other, rel=1e-5)
        assert float(right) == float(judge(logits, labels[::-1])[1])


@pytest.mark.parametrize("option", ["mixup", "cutmix"])
def test_both_feeds_mix_alike(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for feed in ("resident", "streamed"):
        monkeypatch.setenv("KERASCNN_FEED", feed)
        options = TrainConfig(
            out=feed,
            image_size=12,
            epochs=1,
            augment="light",
            deterministic=True,
            calibration=False,
            **{option: 1.0},
        )
        runs.append(fit(options))
    first, second = ([(row.loss, row.accuracy) for row in run.history] for run in runs)
    assert first == second
    assert runs[0].card.weights_sha256 == runs[1].card.weights_sha256
    plain = fit(TrainConfig(out="plain", image_size=12, epochs=1, augment="light",
                            deterministic=True, calibration=False))  # fmt: skip
    assert plain.history[0].loss < first[0][0], "mixed pictures are harder"


def test_one_way_of_mixing_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use one of them"):
        TrainConfig(mixup=0.2, cutmix=1.0)
    with pytest.raises(ConfigError, match="mixup is -1"):
        TrainConfig(mixup=-1)
