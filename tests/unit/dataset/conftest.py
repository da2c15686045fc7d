"""A data set of real photographs with planted faults."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

SOURCES = {"cat": "chelsea", "coffee": "coffee", "고양이": "astronaut"}
SIDE = 150


def cut(photo: Image.Image, number: int) -> Image.Image:
    """Give one of many parts of a photograph, each from another place."""
    x = number * 73 % (photo.width - SIDE)
    y = number * 131 % (photo.height - SIDE)
    return photo.crop((x, y, x + SIDE, y + SIDE))


@pytest.fixture(scope="session")
def photographs() -> dict[str, Image.Image]:
    from skimage import data

    return {label: Image.fromarray(getattr(data, name)()) for label, name in SOURCES.items()}


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, photographs) -> Path:
    """Three classes of 25 and 4 photographs, and one fault of every kind."""
    root = tmp_path_factory.mktemp("planted")

    def save(picture: Image.Image, path: str, **options) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        picture.save(root / path, **options)

    for label, photo in photographs.items():
        for number in range(29):
            split = "train" if number < 25 else "test"
            save(cut(photo, number), f"{split}/{label}/{number:02}.jpg", quality=92)
    first = {label: Image.open(root / f"train/{label}/03.jpg") for label in photographs}
    save(first["cat"], "test/cat/copy.png")
    save(first["coffee"].resize((70, 70)), "test/coffee/smaller.jpg", quality=40)
    brighter = ImageEnhance.Brightness(first["고양이"]).enhance(1.2)
    save(brighter, "train/cat/wrong.jpg", quality=60)
    save(cut(photographs["cat"], 9), "train/cat/again.webp", quality=80)
    save(cut(photographs["coffee"], 9).convert("CMYK"), "train/coffee/ink.jpg", quality=95)
    save(cut(photographs["cat"], 40).resize((20, 20)), "train/cat/tiny.png")
    save(photographs["coffee"].crop((0, 0, 600, 100)), "train/coffee/wide.png")
    save(cut(photographs["cat"], 41).convert("L"), "train/cat/gray.jpg", quality=92)
    save(cut(photographs["cat"], 42), "train/cat/misnamed.jpg", format="PNG")
    clear = cut(photographs["cat"], 43).convert("RGBA")
    clear.putalpha(Image.fromarray(np.tile(np.arange(SIDE, dtype=np.uint8), (SIDE, 1))))
    save(clear, "train/cat/clear.png")
    save(Image.new("RGB", (SIDE, SIDE), (250, 250, 250)), "train/cat/blank.png")
    frames = [cut(photographs["cat"], number) for number in (44, 45)]
    save(frames[0], "train/cat/moving.gif", save_all=True, append_images=frames[1:])
    whole = (root / "train/cat/05.jpg").read_bytes()
    (root / "train/cat/broken.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "train/cat/notes.txt").touch()
    for number in (0, 200):
        save(cut(photographs["coffee"], number + 60), f"train/rare/{number}.jpg", quality=92)
    return root
