"""TrivialAugment: every change is Pillow's, and each picture has one of its own."""

import keras
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from kerascnn.training.augmentation.presets import augmentation_layers
from kerascnn.training.augmentation.trivial_augment import OPERATIONS, TrivialAugment, changed_by

SIZE = 48
BLENDS = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Real ones, uint8 ``[3, 48, 48, 3]``."""
    from skimage import data

    shown = (data.astronaut(), data.coffee(), data.chelsea())
    return np.stack([np.asarray(Image.fromarray(one).resize((SIZE, SIZE))) for one in shown])


def changed(pictures: np.ndarray, name: str, strength: float) -> np.ndarray:
    count = len(pictures)
    operations = np.full(count, OPERATIONS.index(name), np.float32)
    strengths = np.full(count, strength, np.float32)
    done = changed_by(pictures.astype(np.float32), operations, strengths)
    return np.asarray(keras.ops.convert_to_numpy(done))


def by_pillow(picture: Image.Image, name: str, strength: float) -> Image.Image:
    if name in BLENDS:
        return BLENDS[name](picture).enhance(1 + 0.9 * strength)
    if name == "solarize":
        return ImageOps.solarize(picture, round(256 * (1 - abs(strength))))
    if name == "posterize":
        return ImageOps.posterize(picture, 8 - round(4 * abs(strength)))
    if name == "autocontrast":
        return ImageOps.autocontrast(picture)
    return picture


@pytest.mark.parametrize("strength", [-1.0, -0.5, 0.25, 1.0])
@pytest.mark.parametrize("name", [*BLENDS, "solarize", "posterize", "autocontrast", "identity"])
def test_a_change_of_values_is_the_one_of_pillow(
    name: str, strength: float, photographs: np.ndarray
) -> None:
    ours = changed(photographs, name, strength)
    for picture, one in zip(photographs, ours, strict=True):
        theirs = np.asarray(by_pillow(Image.fromarray(picture), name, strength), np.float32)
        # Pillow rounds what it blends with, and what comes out.
        assert np.abs(theirs - one).max() <= 2.5


@pytest.mark.parametrize(
    ("name", "strength", "moved"),
    [
        ("translate_x", 0.2, lambda p: np.pad(p, ((0, 0), (0, 0), (0, 3), (0, 0)))[:, :, 3:]),
        ("translate_y", -0.2, lambda p: np.pad(p, ((0, 0), (3, 0), (0, 0), (0, 0)))[:, :-3]),
    ],
)
def test_a_translation_moves_whole_pixels(name, strength, moved, photographs: np.ndarray) -> None:
    np.testing.assert_array_equal(changed(photographs, name, strength), moved(photographs))


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y"])
def test_a_map_is_the_one_of_pillow(name: str, photographs: np.ndarray) -> None:
    strength = 0.7
    angle = np.radians(30 * strength) if name == "rotate" else 0.0
    a, b, c, d = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    b += 0.3 * strength * (name == "shear_x")
    c += 0.3 * strength * (name == "shear_y")
    # Pillow takes the middle of a pixel as half, from its corner.
    at = (SIZE / 2) * (1 - a - b), (SIZE / 2) * (1 - c - d)
    ours = changed(photographs, name, strength)
    for picture, one in zip(photographs, ours, strict=True):
        theirs = Image.fromarray(picture).transform(
            (SIZE, SIZE), Image.Transform.AFFINE, (a, b, at[0], c, d, at[1])
        )
        assert (np.asarray(theirs) == one).mean() > 0.97  # ties between two pixels


def test_each_picture_has_its_own_change_and_only_in_training(photographs: np.ndarray) -> None:
    layer = TrivialAugment(seed=5)
    many = np.repeat(photographs[:1].astype(np.float32), 400, 0)
    np.testing.assert_array_equal(np.asarray(layer(many, training=False)), many)
    first, again = (np.asarray(layer(many, training=True)) for _ in range(2))
    assert first.min() >= 0 and first.max() <= 255
    same = (first == many).all((1, 2, 3)).mean()
    assert 0.3 / len(OPERATIONS) < same < 4 / len(OPERATIONS)
    assert len(np.unique(first.reshape(400, -1), axis=0)) > 200
    assert (first != again).any()
    np.testing.assert_array_equal(np.asarray(TrivialAugment(seed=5)(many, training=True)), first)


def test_the_preset_flips_and_shifts_too() -> None:
    names = [layer.name for layer in augmentation_layers("trivial", 1)]
    assert names == ["flip", "shift", "trivial"]
