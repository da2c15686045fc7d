"""A data set as the rest of the package sees it, and how validation is split off.

Knows: classes, splits, stratification. Does not know where the pictures came from.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.errors import ConfigError, DataError

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")

LARGE = 20_000
"""Above this many training pictures, 5 % are enough for validation instead of 10 %."""


class Pictures(Protocol):
    """Pictures of any size, read one at a time."""

    def __len__(self) -> int:
        """Return how many pictures there are."""

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Read one as RGB uint8 ``[height, width, 3]``; raises PictureError."""

    def name(self, index: int) -> str:
        """Name one for messages and records."""

    def longer_side(self, index: int) -> int:
        """Return the longer side of one in pixels, or 0 when it cannot be read."""

    def stamp(self, index: int) -> bytes:
        """Return what changes when the picture changes; found without decoding it."""


@dataclass(frozen=True)
class FilePictures:
    """Pictures in files.

    Attributes:
        paths: One a picture.
        root: What the names are relative to.
    """

    paths: tuple[Path, ...]
    root: Path

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.paths)

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Decode one as RGB uint8 ``[height, width, 3]``; raises PictureError."""
        return images.decode(self.paths[index])

    def name(self, index: int) -> str:
        """Give the path relative to the root, with forward slashes."""
        path = self.paths[index]
        return (
            path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        )

    def longer_side(self, index: int) -> int:
        """Read it from the file's header."""
        return images.longer_side(self.paths[index])

    def stamp(self, index: int) -> bytes:
        """Give path, size and times; the second time cannot be set back by copying tools."""
        path = self.paths[index]
        try:
            found = path.stat()
        except OSError:
            return b"missing"
        times = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}".encode()
        return os.fsencode(path.absolute()) + b"\0" + times


@dataclass(frozen=True)
class ArrayPictures:
    """Pictures in one array, as IDX files and the built-in data set have them.

    Attributes:
        array: uint8 ``[pictures, height, width]`` or ``[pictures, height, width, channels]``.
        prefix: Names are ``prefix[index]``.
    """

    array: npt.NDArray[np.uint8]
    prefix: str

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.array)

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Give one as RGB uint8 ``[height, width, 3]``; raises PictureError."""
        return images.rgb_array(self.array[index], self.name(index))

    def name(self, index: int) -> str:
        """Give ``prefix[index]``."""
        return f"{self.prefix}[{index}]"

    def longer_side(self, index: int) -> int:  # noqa: ARG002 - all are of one size
        """Read it from the array's shape."""
        return int(max(self.array.shape[1:3]))

    def stamp(self, index: int) -> bytes:
        """Give the pixels, and how they are laid out."""
        return f"{self.array.shape[1:]}".encode() + bytes(self.array[index].tobytes())


@dataclass(frozen=True)
class Part:
    """Some of the pictures of another collection.

    Attributes:
        pictures: The whole.
        indices: Which of them, int64 ``[pictures]``.
    """

    pictures: Pictures
    indices: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.indices)

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Read one as RGB uint8 ``[height, width, 3]``; raises PictureError."""
        return self.pictures[int(self.indices[index])]

    def name(self, index: int) -> str:
        """Name it as the whole does."""
        return self.pictures.name(int(self.indices[index]))

    def longer_side(self, index: int) -> int:
        """Measure it as the whole does."""
        return self.pictures.longer_side(int(self.indices[index]))

    def stamp(self, index: int) -> bytes:
        """Stamp it as the whole does."""
        return self.pictures.stamp(int(self.indices[index]))


@dataclass(frozen=True)
class Split:
    """Pictures with their labels.

    Attributes:
        pictures: Read one at a time.
        labels: int64 ``[pictures]``, indices into the classes.
    """

    pictures: Pictures
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """Keep only some pictures, in the order of ``indices`` (int64)."""
        return Split(Part(self.pictures, indices), self.labels[indices])

    def longest_side(self) -> int:
        """Give the longest side in pixels among up to 1,000 pictures spread over the split."""
        sample = np.linspace(0, len(self) - 1, min(len(self), 1000)).astype(int)
        return max(self.pictures.longer_side(int(index)) for index in sample)


@dataclass(frozen=True)
class Dataset:
    """Pictures, labels and class names, divided into splits.

    Attributes:
        name: What the user called it.
        classes: Names in the order of the labels; any Unicode, in NFC.
        splits: By name: ``train`` always, ``val`` and ``test`` where the data has them.
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, Split] = field(default_factory=dict)

    def ordered(self) -> dict[str, Split]:
        """Give the splits in the order train, val, test."""
        return {name: self.splits[name] for name in SPLITS if name in self.splits}

    def choose(self, wanted: str | None = None) -> tuple[str, Split]:
        """Pick the split to evaluate on.

        Args:
            wanted: ``train``, ``val``, ``test``, ``all``, or None: test, else val, else all.

        Returns:
            The split's name and the split.

        Raises:
            ConfigError: The data set has no such split.
        """
        chosen = wanted or next((name for name in ("test", "val") if name in self.splits), "all")
        if chosen in self.splits:
            return chosen, self.splits[chosen]
        if chosen == "all":
            return chosen, join(list(self.ordered().values()))
        raise ConfigError(
            f"{self.name}: there is no split {chosen!r}. "
            f"Choose one of: {', '.join([*self.splits, 'all'])}."
        )


@dataclass(frozen=True)
class Joined:
    """Several collections one after the other.

    Attributes:
        parts: The collections.
    """

    parts: tuple[Pictures, ...]

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Read one as RGB uint8 ``[height, width, 3]``; raises PictureError."""
        part, place = self._find(index)
        return part[place]

    def name(self, index: int) -> str:
        """Name it as its part does."""
        part, place = self._find(index)
        return part.name(place)

    def longer_side(self, index: int) -> int:
        """Measure it as its part does."""
        part, place = self._find(index)
        return part.longer_side(place)

    def stamp(self, index: int) -> bytes:
        """Stamp it as its part does."""
        part, place = self._find(index)
        return part.stamp(place)

    def _find(self, index: int) -> tuple[Pictures, int]:
        for part in self.parts:
            if index < len(part):
                return part, index
            index -= len(part)
        raise IndexError(f"picture {index} is beyond the end")


def join(splits: Sequence[Split]) -> Split:
    """Put splits one after the other.

    Args:
        splits: At least one, of the same classes.

    Returns:
        One split with all their pictures.
    """
    if len(splits) == 1:
        return splits[0]
    pictures = Joined(tuple(split.pictures for split in splits))
    return Split(pictures, np.concatenate([split.labels for split in splits]))


def with_validation(dataset: Dataset, fraction: float | None, seed: int) -> Dataset:
    """Split validation pictures off the training split, if the data has none.

    Stratified: every class gives the same share. Which pictures go is decided by a hash of
    the seed and each picture's name, so that adding pictures later moves few of the others.

    Args:
        dataset: With or without a ``val`` split.
        fraction: Of the training pictures, between 0 and 1 (exclusive); None: 0.1, or 0.05
            above 20,000 pictures.
        seed: Any integer.

    Returns:
        The data set with a ``val`` split.

    Raises:
        DataError: No class has two pictures, so that nothing can be split off.
    """
    if "val" in dataset.splits:
        return dataset
    train = dataset.splits["train"]
    share = fraction if fraction is not None else (0.05 if len(train) > LARGE else 0.1)
    chosen = np.zeros(len(train), bool)
    for label in range(len(dataset.classes)):
        chosen[_chosen(train, label, share, seed)] = True
    if not chosen.any():
        raise DataError(
            f"{dataset.name}: no class has two pictures, so none can be kept for validation. "
            "Add pictures, or give a val/ folder."
        )
    val, rest = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    splits = {"train": train.take(rest), "val": train.take(val)}
    return replace(dataset, splits={**dataset.splits, **splits})


def _chosen(train: Split, label: int, share: float, seed: int) -> npt.NDArray[np.int64]:
    members = np.flatnonzero(train.labels == label)
    if len(members) < 2:
        return members[:0]
    count = min(max(1, round(share * len(members))), len(members) - 1)
    keys = [_key(seed, train.pictures.name(int(index))) for index in members]
    order = sorted(range(len(members)), key=keys.__getitem__)
    return members[order[:count]]


def _key(seed: int, name: str) -> bytes:
    return hashlib.blake2b(
        f"{seed}:{name}".encode("utf-8", "surrogateescape"), digest_size=8
    ).digest()
