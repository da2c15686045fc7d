"""The tasks by which `kerascnn advise` is judged, and their pictures; for scripts/bench_advise.

Tasks are drawn by a hash from all combinations of network, source, target and pictures a class;
another hash says which half a task is in. Both were fixed before anything was trained.
"""

import hashlib
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from bench_pictures import array_of

Pictures = npt.NDArray[np.uint8]
Labeled = tuple[Pictures, npt.NDArray[np.int64]]
"""Pictures uint8 [n, 32, 32, 3], and labels int64 [n] from 0."""
FASHION = "/usr/share/datasets/fashion-mnist"
SIZE, TEST = 32, 300

COUNT = {"cnn": 24, "lenet5_modern": 24, "resnet18": 12}
SEEDS = {"cnn": 3, "lenet5_modern": 3, "resnet18": 2}
SOURCES = {  # data, classes, what is done to the pictures
    "tops": ("fashion", (0, 2, 4, 6, 8), "plain"),
    "wide": ("fashion", (0, 1, 2, 3, 4, 5, 7, 8), "plain"),
    "coloured": ("fashion", (1, 3, 5, 7, 9), "recoloured"),
    "digits": ("digits", tuple(range(10)), "plain"),
}
TARGETS = {  # of clothes: in the source's classes or others
    "same": ("fashion", "plain"),
    "other": ("fashion", "plain"),
    "inverted": ("fashion", "inverted"),
    "noisy": ("fashion", "noisy"),
    "rotated": ("fashion", "rotated"),
    "recoloured": ("fashion", "recoloured"),
    "shuffled": ("fashion", "shuffled"),
    "digits": ("digits", "plain"),
    "photos": ("photos", "plain"),
}
PER_CLASS = {"fashion": (5, 20, 100, 300, 1000), "photos": (5, 20, 100, 300, 1000),
             "digits": (5, 20, 60)}  # fmt: skip


class Task(NamedTuple):
    """A network pretrained on a source, and pictures that it shall learn."""

    network: str
    source: str
    target: str
    per_class: int

    @property
    def name(self) -> str:
        """All of it, in one word."""
        return "-".join(map(str, self))

    @property
    def held_out(self) -> bool:
        """Whether the rule may not be fitted on it."""
        return number(f"half {self.name}") % 2 == 1

    @property
    def classes(self) -> tuple[int, ...]:
        """Those of the target that shall be told apart."""
        data, _ = TARGETS[self.target]
        known = SOURCES[self.source][1]
        if data == "digits":
            return tuple(range(10))
        if data == "photos":
            return tuple(range(len(PHOTOS)))
        if self.source == "digits":  # clothes are all new to it: five of them, drawn
            return tuple(sorted(range(10), key=lambda c: number(f"{self.name} {c}"))[:5])
        if self.target == "other":
            return tuple(c for c in range(10) if c not in known)
        return tuple(sorted(known, key=lambda c: number(f"{self.name} {c}"))[:5])


def number(text: str) -> int:
    """Give a number that depends on the text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


def tasks() -> list[Task]:
    """Draw the tasks of every network."""
    drawn: list[Task] = []
    for network, count in COUNT.items():
        everything = [
            Task(network, source, target, per_class)
            for source, target in product(SOURCES, TARGETS)
            if not (source == "digits" and target in ("same", "inverted"))
            for per_class in PER_CLASS[TARGETS[target][0]]
        ]
        drawn += sorted(everything, key=lambda task: number(task.name))[:count]
    return drawn


# Pictures


PHOTOS = ("brick", "grass", "gravel", "coffee", "chelsea")


@cache
def pool(data: str, part: str) -> Labeled:
    """Give pictures uint8 [n, 32, 32] and labels; part: source, target or test, never mixed."""
    if data == "fashion":
        from kerascnn.dataset import load_dataset

        split = load_dataset(FASHION).splits["test" if part == "test" else "train"]
        chosen = {"source": slice(None, None, 2), "target": slice(1, None, 2), "test": slice(None)}
        pictures = array_of(split, FASHION)[chosen[part]]
        return np.pad(pictures, ((0, 0), (2, 2), (2, 2))), split.labels[chosen[part]]
    if data == "digits":
        from PIL import Image
        from sklearn.datasets import load_digits

        found = load_digits()
        large = [Image.fromarray((one * 15.9).astype(np.uint8)).resize((SIZE, SIZE), 2)
                 for one in found.images]  # fmt: skip
        third = {"source": 0, "target": 1, "test": 2}[part]
        return np.stack([np.asarray(one) for one in large])[third::3], found.target[third::3]
    return _photos(part)


def _photos(part: str) -> Labeled:
    """Cut gray patches from photographs: from the left to learn, from the right to test."""
    from PIL import Image
    from skimage import data

    rng, patches, labels = np.random.default_rng(len(part)), [], []
    for label, name in enumerate(PHOTOS):
        gray = np.asarray(Image.fromarray(getattr(data, name)()).convert("L"))
        border = int(gray.shape[1] * 0.6)
        gray = gray[:, border:] if part == "test" else gray[:, :border]
        for _ in range(TEST if part == "test" else 1100):
            y, x = (int(rng.integers(0, side - SIZE)) for side in gray.shape)
            patches.append(gray[y : y + SIZE, x : x + SIZE])
            labels.append(label)
    return np.stack(patches), np.asarray(labels, np.int64)


def changed(gray: Pictures, how: str, rng: np.random.Generator) -> Pictures:
    """Change pictures uint8 [n, 32, 32] in one of five ways; gives uint8 [n, 32, 32, 3]."""
    if how == "inverted":
        gray = 255 - gray
    elif how == "noisy":
        noisy = gray + rng.normal(0, 60, gray.shape).astype(np.float32)
        gray = np.clip(noisy, 0, 255).astype(np.uint8)
    elif how == "rotated":
        gray = np.rot90(gray, axes=(1, 2))
    elif how == "shuffled":
        order = np.random.default_rng(7).permutation(SIZE * SIZE)
        gray = gray.reshape(len(gray), -1)[:, order].reshape(gray.shape)
    elif how == "recoloured":
        light, dark = rng.uniform(0, 255, (2, len(gray), 1, 1, 3)).astype(np.float32)
        share = gray[..., None].astype(np.float32) / 255
        mixed: npt.NDArray[np.float32] = share * light + (1 - share) * dark
        return mixed.astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=-1)


def dealt(
    data: str, how: str, classes: tuple[int, ...], part: str, count: int, seed: int
) -> Labeled:
    """Draw so many pictures of each class, and number the classes from 0."""
    gray, labels = pool(data, part)
    rng = np.random.default_rng(seed)
    places = [rng.permutation(np.flatnonzero(labels == one))[:count] for one in classes]
    found = np.concatenate([np.full(len(one), label) for label, one in enumerate(places)])
    return changed(gray[np.concatenate(places)], how, rng), found.astype(np.int64)


def pictures_of(task: Task, seed: int) -> dict[str, Labeled]:
    """Give the training pictures of a seed, and the test pictures, which are always the same."""
    data, how = TARGETS[task.target]
    first = number(task.name) % 2**31
    return {
        "train": dealt(data, how, task.classes, "target", task.per_class, first + seed),
        "test": dealt(data, how, task.classes, "test", TEST, first),
    }
