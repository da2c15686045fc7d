"""Small data sets of real pictures for bench_defaults, each with test pictures of its own.

Knows: where the pictures come from, and that no test picture overlaps a training picture. Does not
know what is trained on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from bench_defaults_shapes import COLORS, SHAPES, draw
from PIL import Image

Pictures: TypeAlias = npt.NDArray[np.uint8]
Labels: TypeAlias = npt.NDArray[np.int64]

TILES = 4
"""A photograph is cut into so many by so many tiles; those of a checkerboard's other color are for
testing, so the same scene is seen in both, and no pixel."""

CROP = 48
"""Pixels of a crop's side; then it is enlarged to twice that, as a small photograph would be."""

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
OTHERS = ("immunohistochemistry", "retina", "hubble_deep_field", "colorwheel", "coins")
TEXTURES = ("brick", "grass", "gravel")


@dataclass(frozen=True)
class Task:
    """A data set.

    Attributes:
        train: uint8 ``[pictures, height, width, 3]``.
        labels: Of those.
        test: Pictures to judge on.
        test_labels: Of those.
        mixed: Whether kerascnn is given files of many sizes and kinds, as people's folders have
            them, and the others what Pillow reads from those files, in place of these arrays.
    """

    train: Pictures
    labels: Labels
    test: Pictures
    test_labels: Labels
    mixed: bool = False

    def save(self, path: Path) -> Path:
        """Write the file that the rivals read, and ``kerascnn train`` where nothing is mixed."""
        np.savez(path, x_train=self.train, y_train=self.labels,
                 x_test=self.test, y_test=self.test_labels)  # fmt: skip
        return path

    def data(self, path: Path, seed: int) -> Path:
        """Write that file; give what ``kerascnn train`` is told: it, or a folder beside it."""
        if not self.mixed:
            return self.save(path)
        rng, folder = np.random.default_rng(seed), path.with_suffix("")

        def written(split: str, pictures: Pictures, labels: Labels) -> Pictures:
            files = [folder / split / str(label) / f"{at:04}" for at, label in enumerate(labels)]
            found = [
                _any_file(Image.fromarray(one), file, rng)
                for one, file in zip(pictures, files, strict=True)
            ]
            return np.stack(found)

        train = written("train", self.train, self.labels)
        replace(self, train=train, test=written("test", self.test, self.test_labels)).save(path)
        return folder


def _any_file(picture: Image.Image, target: Path, rng: np.random.Generator) -> Pictures:
    """Write a picture in one of the ways that people's folders hold; give what Pillow reads."""
    width, height = (int(side * rng.uniform(0.5, 3)) for side in picture.size)
    resized = picture.resize((width, height))
    kind = ("jpg", "png", "webp", "gif", "bmp", "alpha", "gray")[int(rng.integers(7))]
    mode, ending = {"alpha": ("RGBA", "png"), "gray": ("L", "jpg")}.get(kind, ("RGB", kind))
    file = target.with_suffix(f".{ending}")
    file.parent.mkdir(parents=True, exist_ok=True)
    resized.convert(mode).save(file)
    with Image.open(file) as found:
        return np.asarray(found.convert("RGB").resize(picture.size))


def crops(names: tuple[str, ...], count: int, seed: int, tests: int = 40) -> Task:
    """Cut crops out of scikit-image's photographs, one class a photograph."""
    rng, parts = np.random.default_rng(seed), list[tuple[int, int, Pictures]]()
    for label, name in enumerate(names):
        for color, many in ((0, count), (1, tests)):
            tiles = [crop_of(name, rng, color) for _ in range(many)]
            parts.append((color, label, np.stack(tiles)))
    return together(parts)


@cache
def photograph(name: str) -> Pictures:
    """Read one of scikit-image's photographs, uint8 ``[height, width, 3]``."""
    from skimage import data

    picture = np.asarray(getattr(data, name)())
    return np.dstack([picture] * 3) if picture.ndim == 2 else picture[..., :3]


def crop_of(name: str, rng: np.random.Generator, color: int) -> Pictures:
    """Cut a crop out of a photograph, from tiles of one color of the checkerboard, 0 or 1."""
    picture = photograph(name)
    height, width = (side // TILES for side in picture.shape[:2])
    row, column = int(rng.integers(TILES)), int(rng.integers(TILES // 2))
    column = 2 * column + (row + color) % 2
    top = row * height + int(rng.integers(height - CROP + 1))
    left = column * width + int(rng.integers(width - CROP + 1))
    cut = picture[top : top + CROP, left : left + CROP]
    return cut.repeat(2, axis=0).repeat(2, axis=1)


def together(parts: list[tuple[int, int, Pictures]]) -> Task:
    """Join what is for training (0) and for testing (1), each part with its class."""
    arrays = []
    for wanted in (0, 1):
        found = [(label, cut) for color, label, cut in parts if color == wanted]
        arrays.append(np.concatenate([cut for _, cut in found]))
        arrays.append(np.repeat([label for label, _ in found], [len(cut) for _, cut in found]))
    return Task(arrays[0], arrays[1].astype(np.int64), arrays[2], arrays[3].astype(np.int64))


def digits(count: int, seed: int) -> Task:
    """Take scikit-learn's handwritten digits, 8 pixels wide."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures = np.repeat((found.images * 15.9).astype(np.uint8)[..., None], 3, axis=3)
    order = np.random.default_rng(seed).permutation(len(pictures))
    return _few(pictures[order[:1200]], found.target[order[:1200]], count,
                pictures[order[1200:]], found.target[order[1200:]])  # fmt: skip


def clothes(
    count: int, seed: int, classes: tuple[int, ...] = tuple(range(10)), wrong: float = 0.0
) -> Task:
    """Take a part of Fashion-MNIST, with a share of wrong labels if asked to."""
    from bench_pictures import array_of
    from judging import DEBIAN

    from kerascnn.dataset import load_dataset

    rng, source = np.random.default_rng(seed), load_dataset(DEBIAN)
    arrays = []
    for name in ("train", "test"):
        part = source.splits[name]
        order = rng.permutation(np.flatnonzero(np.isin(part.labels, classes)))
        pictures = np.atleast_3d(array_of(part, DEBIAN)[order]).reshape(len(order), 28, 28, -1)
        numbers = np.searchsorted(classes, part.labels[order])
        arrays += [pictures.repeat(3 // pictures.shape[3], axis=3), numbers]
    task = _few(arrays[0], arrays[1], count, arrays[2][:2000], arrays[3][:2000])
    spoiled = rng.random(len(task.labels)) < wrong
    labels = np.where(spoiled, rng.integers(len(classes), size=len(task.labels)), task.labels)
    return Task(task.train, labels, task.test, task.test_labels)


def recolored(count: int, seed: int) -> Task:
    """Take clothes in random colors on random backgrounds: the shape alone tells."""
    task, rng = clothes(count, seed), np.random.default_rng(seed)

    def paint(pictures: Pictures) -> Pictures:
        ink, paper = (rng.uniform(0, 255, (len(pictures), 1, 1, 3)) for _ in range(2))
        share = pictures / 255
        return np.asarray((share * ink + (1 - share) * paper).astype(np.uint8))

    return Task(paint(task.train), task.labels, paint(task.test[:1000]), task.test_labels[:1000])


def enlarged(count: int, seed: int) -> Task:
    """Take clothes at 224 pixels, as a tutorial for photographs would have them."""
    task = clothes(count, seed)

    def enlarge(pictures: Pictures) -> Pictures:
        large = [Image.fromarray(one).resize((224, 224)) for one in pictures]
        return np.stack([np.asarray(one) for one in large])

    return Task(enlarge(task.train), task.labels, enlarge(task.test[:400]), task.test_labels[:400])


def imbalanced(count: int, seed: int, times: int) -> Task:
    """Take clothes, one class of two with many times as many pictures as the other."""
    task = clothes(count, seed, classes=(2, 4))
    kept = np.concatenate([np.flatnonzero(task.labels == 0),
                           np.flatnonzero(task.labels == 1)[: count // times]])  # fmt: skip
    return Task(task.train[kept], task.labels[kept], task.test, task.test_labels)


def shapes(count: int, seed: int, colors: int = 1, tests: int = 20) -> Task:
    """Draw shapes among clutter; each shape, in each of so many colors, is a class."""
    rng, labels = np.random.default_rng(seed), range(len(SHAPES) * colors)

    def drawn(many: int) -> Pictures:
        return np.stack(
            [
                draw(
                    SHAPES[label % len(SHAPES)],
                    COLORS[label // len(SHAPES)] if colors > 1 else None,
                    rng,
                )
                for label in labels
                for _ in range(many)
            ]
        )

    train, test = drawn(count), drawn(tests)
    return Task(train, np.repeat(labels, count), test, np.repeat(labels, tests))


def mixed(count: int, seed: int) -> Task:
    """Give photographs as files of many sizes and kinds."""
    return replace(crops(PHOTOGRAPHS, count, seed), mixed=True)


def _few(x: Pictures, y: Labels, count: int, test: Pictures, test_labels: Labels) -> Task:
    chosen = np.concatenate([np.flatnonzero(y == label)[:count] for label in np.unique(y)])
    return Task(x[chosen], y[chosen].astype(np.int64), test, test_labels.astype(np.int64))


CHOOSING: dict[str, Callable[[int], Task]] = {
    "photographs, 4 classes, 10 each": lambda seed: crops(PHOTOGRAPHS, 10, seed),
    "photographs, 4 classes, 40 each": lambda seed: crops(PHOTOGRAPHS, 40, seed),
    "photographs, 4 classes, 200 each": lambda seed: crops(PHOTOGRAPHS, 200, seed),
    "digits, 10 classes, 20 each": lambda seed: digits(20, seed),
    "clothes, 10 classes, 5 each": lambda seed: clothes(5, seed),
    "clothes, 10 classes, 100 each": lambda seed: clothes(100, seed),
    "clothes at 224 pixels, 10 classes, 20 each": lambda seed: enlarged(20, seed),
    "drawn shapes, 8 classes, 40 each": lambda seed: shapes(40, seed),
    "pullover or coat, 200 and 10": lambda seed: imbalanced(200, seed, 20),
}
"""By name: what rules were chosen on."""

JUDGING: dict[str, Callable[[int], Task]] = {
    "other photographs, 5 classes, 15 each": lambda seed: crops(OTHERS, 15, seed),
    "textures, 3 classes, 40 each": lambda seed: crops(TEXTURES, 40, seed),
    "digits, 10 classes, 100 each": lambda seed: digits(100, seed),
    "clothes, 10 classes, 20 each": lambda seed: clothes(20, seed),
    "clothes, 10 classes, 1,000 each": lambda seed: clothes(1000, seed),
    "clothes in random colors, 10 classes, 100 each": lambda seed: recolored(100, seed),
    "drawn shapes and colors, 40 classes, 12 each": lambda seed: shapes(12, seed, colors=5),
    "photographs of many sizes and kinds, 4 classes, 25 each": lambda seed: mixed(25, seed),
    "clothes, 10 classes, 100 each, 10 % wrong labels": lambda s: clothes(100, s, wrong=0.1),
    "shirt or coat, 50 each": lambda seed: clothes(50, seed, classes=(4, 6)),
}
"""By name: what they were only judged on."""
