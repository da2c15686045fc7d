"""Flips and shifts give the bits of Keras' own layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from kerascnn.training.augmentation.flip_and_shift import FlipAndShift
from kerascnn.training.augmentation.presets import augmentation_layers


@pytest.mark.parametrize(
    ("shape", "share", "flip_seed"),
    [
        ((500, 28, 28, 3), 1 / 32, 4),
        ((100, 33, 20, 3), 1 / 8, None),
    ],
)
def test_pictures_and_random_states_are_those_of_keras(
    shape: tuple[int, ...], share: float, flip_seed: int | None
) -> None:
    flip = [layers.RandomFlip("horizontal", seed=flip_seed)] if flip_seed is not None else []
    shift = layers.RandomTranslation(
        share, share, fill_mode="constant", interpolation="nearest", fill_value=0.0, seed=5
    )
    keras_own = keras.Sequential([*flip, shift])
    ours = keras.Sequential([FlipAndShift(share, 5, flip_seed)])
    pictures = np.random.default_rng(0).integers(1, 256, shape).astype(np.float32)
    for _ in range(2):
        expected, found = (np.asarray(m(pictures, training=True)) for m in (keras_own, ours))
        assert np.array_equal(found, expected)
    assert not np.array_equal(found, pictures)
    # A checkpoint keeps them by their places.
    states = [[variable.numpy() for variable in m.variables] for m in (keras_own, ours)]
    assert np.array_equal(*states)


def test_a_place_in_the_middle_of_two_pixels_is_the_farther_one_as_in_keras(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keras.random, "uniform", lambda *_, **__: np.full((1, 1), 0.125, "float32"))
    picture = np.array([10, 20, 30, 40], np.float32).reshape(1, 1, 4, 1)
    # From -0.5, 0.5, 1.5 and 2.5. The one row comes from -0.125.
    moved = np.asarray(FlipAndShift(0.5, 0)(picture, training=True))
    assert moved.ravel().tolist() == [0, 20, 30, 40]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="how steps run on its GPUs")
def test_every_preset_can_be_compiled_by_xla() -> None:
    tf = pytest.importorskip("tensorflow")
    changing = keras.Sequential(augmentation_layers("strong", 3))
    pictures = np.full((8, 28, 28, 3), 200, np.float32)
    moved = tf.function(lambda x: changing(x, training=True), jit_compile=True)(pictures)
    assert moved.shape == pictures.shape and not np.array_equal(moved, pictures)
