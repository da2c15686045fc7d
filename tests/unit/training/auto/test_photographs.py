"""Which pictures count as color photographs."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw

from kerascnn.dataset import Split, load_dataset
from kerascnn.training import TrainConfig
from kerascnn.training.auto.model import choose_changes
from kerascnn.training.auto.photographs import has_photographs
from kerascnn.training.callbacks import Callback
from kerascnn.training.data.feed import prepare

SIDE = 96
RNG = np.random.default_rng(0)


@cache
def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)())


def part_of_a_photograph(name: str) -> Image.Image:
    whole = photograph(name)
    left, top = (int(RNG.integers(length - SIDE)) for length in whole.size)
    return whole.crop((left, top, left + SIDE, top + SIDE))


def gray_photograph() -> Image.Image:
    return part_of_a_photograph("coffee").convert("L").convert("RGB")


def disc(background: str = "white", mode: str = "RGB") -> Image.Image:
    picture = Image.new(mode, (SIDE, SIDE), background)
    ImageDraw.Draw(picture).ellipse((20, 20, 70, 70), "red")
    return picture


def noisy_disc() -> Image.Image:
    noise = RNG.integers(-10, 11, (SIDE, SIDE, 3))
    return Image.fromarray((np.asarray(disc("tan")) + noise).clip(0, 255).astype(np.uint8))


def split_of(folder: Path, make: Callable[[], Image.Image], suffix: str = ".png") -> Split:
    """Write seven pictures, the first of which is broken."""
    for number in range(7):
        file = folder / "train" / "ab"[number % 2] / f"{number}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        make().save(file)
    (folder / "train" / "a" / f"0{suffix}").write_bytes(b"none")
    return load_dataset(folder).splits["train"]


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: part_of_a_photograph("astronaut"), True),
        (lambda: part_of_a_photograph("chelsea"), True),
        (gray_photograph, False),
        (disc, False),
        (lambda: disc("navy"), False),
        (lambda: disc("#0000", "RGBA"), False),  # transparent
        (noisy_disc, False),
    ],
)
def test_figures_on_a_plain_background_and_gray_pictures_are_none(
    tmp_path: Path, make: Callable[[], Image.Image], found: bool
) -> None:
    train = split_of(tmp_path, make)
    assert len(train) == 7 and has_photographs(train) == found
    broken = np.array([train.pictures.name(at).endswith("0.png") for at in range(7)])
    assert not has_photographs(train.take(np.flatnonzero(broken)))


def test_jpeg_files_have_a_plain_background_too(tmp_path: Path) -> None:
    assert not has_photographs(split_of(tmp_path, disc, ".jpg"))


def watched(folder: Path, place: tuple[int, int] | None, lamps: tuple[str, str]) -> Split:
    """Write sixty pictures in which a lamp tells the class, at a place or anywhere."""
    for number in range(60):
        picture = part_of_a_photograph("coffee" if number % 3 else "chelsea")
        left, top = place or (int(RNG.integers(90)) for _ in range(2))
        left, top = (one + int(RNG.integers(-2, 3)) for one in (left, top))
        box = (left, top, left + 7, top + 7)
        ImageDraw.Draw(picture).ellipse(box, lamps[number % 2])
        file = folder / "train" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    return load_dataset(folder).splits["train"]


@pytest.mark.parametrize(
    ("place", "lamps", "found"),
    [
        ((84, 84), ("red", "lime"), False),
        ((44, 60), ("red", "lime"), False),
        ((84, 10), ("white", "black"), False),
        (None, ("red", "lime"), True),  # a crop that has the lamp shows as much
        ((84, 84), ("red", "red"), True),
    ],
)
def test_pictures_that_one_place_tells_apart_are_not_cropped(
    tmp_path: Path, place: tuple[int, int] | None, lamps: tuple[str, str], found: bool
) -> None:
    train = watched(tmp_path, place, lamps)
    assert has_photographs(train) == found
    config = TrainConfig(data=str(tmp_path), model="cnn", cache="none")
    augment = choose_changes(config, prepare(config, Callback()), Callback()).augment
    assert augment.startswith("strong") == found  # erasing would hide the lamp
    few = np.concatenate([np.flatnonzero(train.labels == label)[:4] for label in (0, 1)])
    assert has_photographs(train.take(few))  # four pictures of a class prove nothing


def gauge(angle: float) -> Image.Image:
    """Draw a gauge on a photograph, with its pointer at an angle in radians."""
    picture = part_of_a_photograph("coffee")
    draw = ImageDraw.Draw(picture)
    x, y, radius = RNG.integers((40, 40, 32), (56, 56, 40)).tolist()
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), "ivory", "black", 3)
    tip = (x + 0.8 * radius * np.sin(angle), y - 0.8 * radius * np.cos(angle))
    draw.line(((x, y), tip), "black", 4)
    return picture


@pytest.mark.parametrize("steady", [True, False])
def test_pictures_are_not_cropped_if_it_matters_where_things_are(
    tmp_path: Path, steady: bool
) -> None:
    for number in range(120):
        angle = (number % 3 - 1) * 1.4 if steady else RNG.uniform(-2, 2)
        file = tmp_path / "train" / "abc"[number % 3] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        gauge(angle + RNG.uniform(-0.5, 0.5)).save(file)
    assert has_photographs(load_dataset(tmp_path).splits["train"]) == (not steady)


def test_classes_of_a_few_photographs_each_are_not_told_by_a_place(tmp_path: Path) -> None:
    for draw in range(20):
        folder = tmp_path / str(draw)
        for number in range(10):
            file = folder / "train" / "ab"[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            part_of_a_photograph(("coffee", "chelsea")[number % 2]).save(file)
        assert has_photographs(load_dataset(folder).splits["train"])
