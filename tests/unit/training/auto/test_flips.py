"""Whether a flip changes the class, told from real pictures."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data as scenes
from sklearn.datasets import load_digits

from kerascnn.training.auto.flips import judge_flips

RNG = np.random.default_rng(0)


def crops(names: tuple[str, ...], each: int, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Cut photographs up, one class a photograph."""
    rng, found = np.random.default_rng(0), []
    for name in names:
        picture = np.asarray(getattr(scenes, name)())
        picture = np.dstack([picture] * 3) if picture.ndim == 2 else picture[..., :3]
        for _ in range(each):
            top, left = (int(rng.integers(length - side)) for length in picture.shape[:2])
            found.append(picture[top : top + side, left : left + side])
    return np.stack(found), np.repeat(np.arange(len(names)), each)


def digits(each: int) -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    chosen = np.concatenate([np.flatnonzero(found.target == k)[:each] for k in range(10)])
    pictures = (found.images[chosen] * 15.9).astype(np.uint8)
    return np.repeat(pictures[..., None], 3, axis=3), found.target[chosen]


def arrows(each: int, others: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw arrows to the left and to the right, and crops of photographs as further classes."""
    shape = np.zeros((24, 40), np.uint8)
    shape[10:14, 10:] = 200
    for column in range(12):
        shape[12 - column : 12 + column, column] = 200
    found = []
    for label in range(2):
        for _ in range(each):
            picture = RNG.integers(0, 40, (48, 64, 3)).astype(np.uint8)
            top, left = int(RNG.integers(24)), int(RNG.integers(24))
            drawn = shape[:, ::-1] if label else shape
            picture[top : top + 24, left : left + 40] |= drawn[..., None]
            found.append(picture[:, :, :])
    names = ("coffee", "chelsea", "rocket", "brick", "grass", "gravel")[:others]
    if not names:
        return np.stack(found), np.repeat([0, 1], each)
    more, labels = crops(names, each, 64)
    labels = np.concatenate([np.repeat([0, 1], each), labels + 2])
    return np.concatenate([np.stack(found), more[:, :48]]), labels


@pytest.mark.parametrize("each", [10, 20, 100])
def test_digits_are_never_flipped(each: int) -> None:
    assert judge_flips(*digits(each)) == "harmful"


@pytest.mark.parametrize("others", [0, 6])
def test_left_and_right_are_told_apart_among_other_classes_too(others: int) -> None:
    assert judge_flips(*arrows(40, others)) == "harmful"


@pytest.mark.parametrize(
    ("names", "each"),
    [
        (("brick", "grass", "gravel"), 40),
        (("coffee", "chelsea", "rocket"), 40),
        # So many overlap, and an overlapping crop is more similar than a mirror image.
        (("coffee", "chelsea", "rocket"), 100),
    ],
)
def test_photographs_may_be_flipped(names: tuple[str, ...], each: int) -> None:
    assert judge_flips(*crops(names, each)) == "harmless"


@pytest.mark.parametrize(("classes", "verdict"), [(3, "harmless"), (6, "unknown")])
def test_colors_show_that_flips_are_harmless_if_every_two_classes_differ_in_them(
    classes: int, verdict: str
) -> None:
    pictures, _ = crops(("coffee", "chelsea", "rocket"), 60)
    pictures = np.random.default_rng(0).permutation(pictures)
    labels = np.arange(len(pictures)) % classes
    # Three exposures; with six classes, nothing tells two of the same exposure apart.
    gamma = np.array([0.4, 1.0, 2.5])[labels % 3].reshape(-1, 1, 1, 1)
    exposed = (255 * (pictures / 255) ** gamma).astype(np.uint8)
    assert judge_flips(exposed, labels) == verdict


@pytest.mark.parametrize(
    "told",
    [
        digits(4),
        # Noise: no picture tells anything about its class.
        (RNG.integers(0, 256, (60, 16, 16, 3)).astype(np.uint8), np.arange(60) % 3),
        # All alike.
        (np.full((60, 16, 16, 3), 7, np.uint8), np.arange(60) % 3),
        # One class.
        (crops(("coffee",), 20)[0], np.zeros(20, int)),
    ],
    ids=["few", "noise", "alike", "one class"],
)
def test_where_the_pictures_do_not_tell_nothing_is_claimed(
    told: tuple[np.ndarray, np.ndarray],
) -> None:
    assert judge_flips(*told) == "unknown"


def test_pictures_of_few_pixels_and_of_one_channel() -> None:
    pictures, labels = digits(20)
    assert judge_flips(pictures[..., :1], labels) == "harmful"
    assert judge_flips(pictures[:, :3, :5], labels) in ("harmful", "unknown")
