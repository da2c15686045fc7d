"""Which pictures count as color photographs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw

from kerascnn.dataset import Split, load_dataset
from kerascnn.training.auto.photographs import has_photographs

SIDE = 96
RNG = np.random.default_rng(0)


def part_of_a_photograph(name: str) -> Image.Image:
    whole = Image.fromarray(getattr(skimage.data, name)())
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
