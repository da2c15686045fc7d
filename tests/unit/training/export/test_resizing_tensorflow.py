"""Resizing without antialias, and Keras' ways of reading pictures: the right values are theirs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerascnn import images
from kerascnn.resizing import PRESETS, Resizing, choose

SIZES = [(37, 91), (91, 37), (150, 113), (12, 9), (64, 64)]
METHODS = {
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "lanczos": "lanczos3",
    "nearest": "nearest",
}


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    numbers = np.random.default_rng(0)
    return [numbers.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.mark.parametrize("shape", [(32, 32), (48, 19)])
@pytest.mark.parametrize("kind", METHODS)
def test_without_antialias_is_tf_image_resize(pictures, kind, shape) -> None:
    for picture in pictures:
        found = images.size_picture(picture, shape, Resizing(filter=kind, antialias=False))
        exact = tf.image.resize(picture, shape, METHODS[kind]).numpy()
        wanted = np.clip(np.rint(exact), 0, 255)
        if kind in ("bilinear", "nearest"):
            np.testing.assert_array_equal(found, wanted)
        else:  # a value on the edge between two levels may fall to either
            assert np.abs(found - np.clip(exact, 0, 255)).max() < 0.501
            assert (found != wanted).mean() < 0.003


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures):
    root = tmp_path_factory.mktemp("pictures")
    for name in ("a", "b"):
        (root / name).mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(root / "ab"[number % 2] / f"{number}.png")
    return root


@pytest.mark.parametrize("crop", [False, True])
def test_keras_is_image_dataset_from_directory(folder, crop) -> None:
    data = keras.utils.image_dataset_from_directory(
        folder, image_size=(32, 40), shuffle=False, batch_size=9, crop_to_aspect_ratio=crop
    )
    wanted = next(iter(data))[0].numpy()
    rule = choose("keras", resize="crop" if crop else None)
    files = sorted(folder.glob("*/*.png"))
    found = np.stack([images.size_picture(images.decode(file), (32, 40), rule) for file in files])
    np.testing.assert_array_equal(found, np.rint(wanted))


@pytest.mark.parametrize("kind", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("crop", [False, True])
def test_load_img(folder, kind, crop) -> None:
    rule = choose("load_img", resize="crop" if crop else None, filter=kind)
    for file in folder.glob("*/*.png"):
        loaded = keras.utils.load_img(
            file, target_size=(32, 40), interpolation=kind, keep_aspect_ratio=crop
        )
        found = images.size_picture(images.decode(file), (32, 40), rule)
        np.testing.assert_array_equal(found, np.asarray(loaded))


def test_the_default_of_load_img_is_nearest(folder) -> None:
    file = next(folder.glob("a/*.png"))
    loaded = keras.utils.load_img(file, target_size=(32, 32))
    found = images.size_picture(images.decode(file), 32, PRESETS["load_img"].sizing)
    np.testing.assert_array_equal(found, np.asarray(loaded))
