"""More data sets for bench_defaults: what tells classes apart is a trait, not what is shown.

Exposure, tint, sharpness, which way is up, where something lies, how large it is, how many there
are: each spoils a change of pictures that helps elsewhere (brightness, color, flips, turns, shifts,
crops). Knows: how to draw them on crops of scikit-image's photographs. Does not know what is
trained.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from bench_defaults_sets import PHOTOGRAPHS, Pictures, Task, clothes, crop_of, crops, together
from PIL import Image, ImageDraw, ImageFilter

SIDE = 96
"""Pixels of a crop."""

GRAY = ("camera", "moon", "coins", "clock", "grass", "brick")
TINTS = ((1, 0.8, 0.8), (0.8, 1, 0.8), (0.8, 0.8, 1), (1, 1, 0.75))
PAINTS = ((1, 0.3, 0.3), (0.3, 1, 0.3), (0.3, 0.3, 1), (1, 1, 0.3), (1, 0.3, 1))
GAMMAS = (0.5, 1.0, 2.0)
RADII = ((6, 9), (13, 17), (24, 30))
"""Pixels of a disc: small, middle, large."""

Make: TypeAlias = Callable[[int, np.random.Generator, Pictures], Pictures]
"""From a class, random numbers and a crop of a photograph to a picture."""


def drawn(make: Make, classes: int, count: int, seed: int, tests: int = 40) -> Task:
    """Make so many pictures of each class, on crops that training and test do not share."""
    rng = np.random.default_rng(seed)

    def one(label: int, color: int) -> Pictures:
        name = PHOTOGRAPHS[int(rng.integers(len(PHOTOGRAPHS)))]
        return make(label, rng, crop_of(name, rng, color))

    return together([
        (color, label, np.stack([one(label, color) for _ in range(many)]))
        for label in range(classes)
        for color, many in ((0, count), (1, tests))
    ])  # fmt: skip


def tall(count: int, seed: int, tests: int = 80) -> Task:
    """Stack four crops of photographs, the uppermost of which tells the class."""
    rng = np.random.default_rng(seed)

    def one(name: str, color: int) -> Pictures:
        below = [crop_of(PHOTOGRAPHS[int(rng.integers(4))], rng, color) for _ in range(3)]
        return np.concatenate([crop_of(name, rng, color), *below])

    return together([
        (color, label, np.stack([one(name, color) for _ in range(many)]))
        for label, name in enumerate(PHOTOGRAPHS)
        for color, many in ((0, count), (1, tests))
    ])  # fmt: skip


def faces(seed: int) -> Task:
    """Take scikit-image's 100 faces and 100 other pictures of 25 x 25, half of them for testing."""
    import skimage.data

    values = np.load(Path(skimage.data.__file__).with_name("lfw_subset.npy"))
    pictures = np.repeat((values.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, axis=3)
    labels, order = np.repeat([1, 0], 100), np.random.default_rng(seed).permutation(200)
    pictures, labels = pictures[order], labels[order]
    return Task(pictures[:100], labels[:100], pictures[100:], labels[100:])


def painted(count: int, seed: int, tests: int = 20) -> Task:
    """Take clothes in five colors: kind and color together are a class."""
    task = clothes(count * len(PAINTS), seed)

    def paint(pictures: Pictures, labels: np.ndarray, many: int) -> tuple[Pictures, np.ndarray]:
        found, numbers = [], []
        for label in range(10):
            places = np.flatnonzero(labels == label)
            for number, color in enumerate(PAINTS):
                some = pictures[places[number * many : (number + 1) * many]] * np.array(color)
                found.append(some.astype(np.uint8))
                numbers += [label * len(PAINTS) + number] * len(some)
        return np.concatenate(found), np.array(numbers)

    train = paint(task.train, task.labels, count)
    return Task(*train, *paint(task.test, task.test_labels, tests))


def turned(label: int, _rng: np.random.Generator, crop: Pictures) -> Pictures:
    """Turn a picture by a quarter, as often as its class says."""
    return np.ascontiguousarray(np.rot90(crop, label))


def tinted(label: int, _rng: np.random.Generator, crop: Pictures) -> Pictures:
    """Lower some channels."""
    return np.asarray((crop * np.array(TINTS[label])).astype(np.uint8))


def exposed(label: int, rng: np.random.Generator, crop: Pictures) -> Pictures:
    """Expose too much, well, or too little."""
    gamma = GAMMAS[label] * rng.uniform(0.85, 1.15)
    return np.asarray((255 * (crop / 255) ** gamma).astype(np.uint8))


def blurred(label: int, rng: np.random.Generator, crop: Pictures) -> Pictures:
    """Blur pictures of the second class."""
    soft = ImageFilter.GaussianBlur(label * rng.uniform(0.6, 1.5))
    return np.asarray(Image.fromarray(crop[::2, ::2]).filter(soft).resize((SIDE, SIDE)))


def sized(label: int, rng: np.random.Generator, crop: Pictures) -> Pictures:
    """Draw a small, a middle or a large disc."""
    radius = rng.uniform(*RADII[label])
    return _with_disc(crop, rng, rng.uniform(radius, SIDE - radius, 2), radius)


def placed(label: int, rng: np.random.Generator, crop: Pictures) -> Pictures:
    """Draw a disc on the left or on the right."""
    radius = rng.uniform(8, 14)
    x, y = rng.uniform(radius, 34), rng.uniform(radius, SIDE - radius)
    return _with_disc(crop, rng, (SIDE - x if label else x, y), radius)


def counted(label: int, rng: np.random.Generator, _crop: Pictures) -> Pictures:
    """Draw one to four discs that do not touch, on a plain ground."""
    picture = np.full((128, 128, 3), rng.integers(150, 256, 3), np.uint8)
    discs: list[tuple[float, float, float]] = []
    while len(discs) <= label:
        radius = rng.uniform(9, 14)
        x, y = rng.uniform(radius, 128 - radius, 2)
        if all((x - a) ** 2 + (y - b) ** 2 > (radius + other + 2) ** 2 for a, b, other in discs):
            discs.append((x, y, radius))
            picture = _with_disc(picture, rng, (x, y), radius, brightest=120)
    return picture


def pointing(label: int, rng: np.random.Generator, crop: Pictures) -> Pictures:
    """Draw an arrow to the left or to the right."""
    image, (x, y) = Image.fromarray(crop), rng.uniform(30, 66, 2)
    ahead, color = (1 if label else -1), tuple(int(one) for one in rng.integers(0, 256, 3))
    tip = x + ahead * rng.uniform(14, 26)
    draw = ImageDraw.Draw(image)
    draw.line([2 * x - tip, y, tip, y], fill=color, width=4)
    draw.polygon([(tip, y), (tip - 9 * ahead, y - 8), (tip - 9 * ahead, y + 8)], fill=color)
    return np.asarray(image)


def _with_disc(
    picture: Pictures, rng: np.random.Generator, center: object, radius: float, brightest: int = 256
) -> Pictures:
    image, (x, y) = Image.fromarray(picture), np.asarray(center, dtype=float)
    color = tuple(int(one) for one in rng.integers(0, brightest, 3))
    box = [x - radius, y - radius, x + radius, y + radius]
    ImageDraw.Draw(image).ellipse(box, fill=color)
    return np.asarray(image)


TRAITS: dict[str, Callable[[int], Task]] = {
    "faces or not, 25 pixels, 50 each": faces,
    "gray photographs, 6 classes, 15 each": lambda seed: crops(GRAY, 15, seed),
    "clothes of 5 colors, 50 classes, 8 each": lambda seed: painted(8, seed),
    "quarter turns, 4 classes, 40 each": lambda seed: drawn(turned, 4, 40, seed),
    "tints, 4 classes, 25 each": lambda seed: drawn(tinted, 4, 25, seed),
    "exposures, 3 classes, 25 each": lambda seed: drawn(exposed, 3, 25, seed),
    "sharp or blurred, 30 each": lambda seed: drawn(blurred, 2, 30, seed),
    "sizes of a disc, 3 classes, 40 each": lambda seed: drawn(sized, 3, 40, seed),
    "disc on the left or right, 40 each": lambda seed: drawn(placed, 2, 40, seed),
    "one to four discs, 40 each": lambda seed: drawn(counted, 4, 40, seed),
    "arrows to the left or right, 60 each": lambda seed: drawn(pointing, 2, 60, seed),
    "tall, the uppermost quarter tells, 4 classes, 30 each": lambda seed: tall(30, seed),
}
"""By name: what rules were only judged on, too."""
