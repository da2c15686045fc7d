"""The built-in data set: a small, class-balanced part of Fashion-MNIST.

Knows: its file, hash and class names. ``scripts/make_fashion_mini`` creates it from the original
IDX files. Fashion-MNIST is by Zalando SE (Xiao, Rasul, Vollgraf, 2017,
https://arxiv.org/abs/1708.07747), MIT license; see NOTICE beside this file.
"""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.pictures import ArrayPictures
from kerascnn.dataset.split import Dataset, Split
from kerascnn.errors import DataError

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

FILE = "fashion-mini.npz"
SHA256 = "f92d1c503ebfa47d6059deebc047fa6f3ccdd21be839ac75a701b2a373ab6f84"
"""Hash of the decompressed arrays, which does not depend on the compression."""


def load_fashion_mini() -> Dataset:
    """Load 4,000 training and 500 test pictures of Fashion-MNIST, 28 x 28, gray, 10 classes.

    Raises:
        DataError: The file inside the package was changed.
    """
    with resources.files(__package__).joinpath(FILE).open("rb") as file, np.load(file) as arrays:
        parts = {key: arrays[key] for key in sorted(arrays.files)}
    if fingerprint(parts) != SHA256:
        raise DataError(f"{FILE} inside the package was changed. Install kerascnn again.")
    splits = {
        name: Split(
            ArrayPictures(parts[f"{name}_images"], f"fashion-mini/{name}"),
            parts[f"{name}_labels"].astype(np.int64),
        )
        for name in ("train", "test")
    }
    return Dataset("fashion-mini", CLASSES, splits)


def fingerprint(parts: dict[str, npt.NDArray[np.uint8]]) -> str:
    """Return the SHA-256 of the names, shapes and values of arrays, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(f"{name}{parts[name].shape}".encode())
        digest.update(np.ascontiguousarray(parts[name]).tobytes())
    return digest.hexdigest()
