"""The head on kept features: the same as the ordinary way, only sooner."""

import logging
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import Pack
from kerascnn.training.networks import build_network, find_network
from kerascnn.training.networks.from_pixels import from_pixels
from kerascnn.training.trainer import phase as staging
from kerascnn.training.trainer.frozen_features import split, trains_head_only, with_features


def fit(tmp_path: Path, name: str, **options: object) -> list[float]:
    out = str(tmp_path / name)
    config = TrainConfig(out=out, trainable="head", epochs=2, **options)  # type: ignore[arg-type]
    return [x for row in training.fit(config).history for x in (row.loss, row.val_loss)]


def test_kept_features_give_the_losses_of_the_ordinary_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = fit(tmp_path, "kept")
    monkeypatch.setattr(staging, "trains_head_only", lambda _core: False)
    ordinary = fit(tmp_path, "ordinary")
    np.testing.assert_allclose(kept, ordinary, atol=1e-5)


def test_the_frozen_part_sees_each_picture_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = staging.with_features

    def counting(packs: list[Pack], *rest: object) -> object:
        seen.extend(map(len, packs))
        return real(packs, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(staging, "with_features", counting)
    fit(tmp_path, "r")
    assert seen == [3600, 400]


def test_features_of_all_pictures_come_from_calls_of_one_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core = build_network("lenet5", 3, 32)
    features, _ = split(core)
    random = np.random.default_rng(0)
    packs = [
        Pack(
            random.integers(0, 256, (count, 32, 32, 3), np.uint8), np.zeros(count, int), (), (), ""
        )
        for count in (301, 7, 2)
    ]
    shapes = set()
    real = keras.Model.predict_on_batch

    def noting(model: keras.Model, pictures: np.ndarray) -> object:
        shapes.add(pictures.shape)
        return real(model, pictures)

    monkeypatch.setattr(keras.Model, "predict_on_batch", noting)
    normalization = find_network("lenet5").normalization
    found = with_features(packs, features, normalization)
    assert shapes == {(155, 32, 32, 3)}
    whole = from_pixels(features, normalization)
    for pack, kept in zip(packs, found, strict=True):
        expected = np.asarray(whole(pack.images))
        np.testing.assert_allclose(kept.images, expected, atol=1e-5)
        assert len(kept) == len(pack)


def test_with_augmentation_features_are_not_kept_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("kerascnn"), "propagate", True)
    monkeypatch.setattr(staging, "with_features", None)
    fit(tmp_path, "r", augment="light")
    assert "the frozen blocks run in every step" in caplog.text


def test_frozen_dropout_is_off_and_the_heads_own_is_on() -> None:
    model = build_network("efficientnet_b0", 3, 32)
    training.set_trainable(model, "head")
    features, tail = split(model)
    assert [type(layer).__name__ for layer in tail.chain] == ["Dropout", "Dense"]
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    whole = model(pictures, training=False)
    parts = tail(features(pictures, training=False), training=False)
    np.testing.assert_allclose(np.array(whole), np.array(parts), atol=1e-6)


def test_only_a_head_alone_counts() -> None:
    model = build_network("cnn", 3, 10)
    for scope, batchnorm, expected in (
        ("head", "frozen", True),
        ("head", "train", False),
        ("hidden,head", "frozen", False),
        ("hidden", "frozen", False),
    ):
        training.set_trainable(model, scope, batchnorm)  # type: ignore[arg-type]
        assert trains_head_only(model) is expected, (scope, batchnorm)


def test_the_saved_network_is_whole(tmp_path: Path) -> None:
    fit(tmp_path, "r")
    model = keras.saving.load_model(tmp_path / "r" / "model.keras")
    assert model.get_layer("block1_conv")
