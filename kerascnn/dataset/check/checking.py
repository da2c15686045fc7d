"""Checks a data set before a model is trained on it.

Knows: which findings are problems, and which are only worth a look. Does not know how findings are
shown, how similar two pictures are (near_duplicates), or what makes a picture unusual (outliers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerascnn.dataset.check.fingerprints import Fingerprints, concatenate, fingerprint_pictures
from kerascnn.dataset.check.near_duplicates import group_near_duplicates
from kerascnn.dataset.check.outliers import find_outliers, headers, left_out
from kerascnn.dataset.check.structure import structural_faults
from kerascnn.dataset.faults import FaultCollector
from kerascnn.dataset.load import load_dataset
from kerascnn.dataset.pictures import FilePictures
from kerascnn.dataset.split import Dataset, Split
from kerascnn.errors import DataError
from kerascnn.images import Header

SMALLEST = 20
"""Default minimum of training pictures per class; with fewer, a class is reported as too small."""


@dataclass(frozen=True)
class PictureLocation:
    """The location of a picture in the data set."""

    path: str
    split: str
    label: str
    index: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"path": self.path, "split": self.split, "label": self.label}


@dataclass(frozen=True)
class BrokenPicture:
    """A picture that cannot be read."""

    place: PictureLocation
    reason: str


@dataclass(frozen=True)
class RepeatedPicture:
    """Duplicates or near-duplicates.

    Attributes:
        places: Locations of at least two pictures.
        exact: Whether all have equal pixels.
        similarity: Smallest similarity that links two of them.
    """

    places: tuple[PictureLocation, ...]
    exact: bool
    similarity: float

    @property
    def is_leak(self) -> bool:
        """Whether they are in more than one split."""
        return len({place.split for place in self.places}) > 1

    @property
    def is_conflict(self) -> bool:
        """Whether they are in more than one class."""
        return len({place.label for place in self.places}) > 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "exact": self.exact,
            "similarity": self.similarity,
            "leak": self.is_leak,
            "conflict": self.is_conflict,
            "pictures": [place.to_dict() for place in self.places],
        }


@dataclass(frozen=True)
class SmallClass:
    """A class with too few pictures."""

    label: str
    split: str
    images: int


@dataclass(frozen=True)
class OddPicture:
    """A picture that differs from the others.

    Attributes:
        place: Path, split and class of the picture.
        what: ``size``, ``shape``, ``blank``, ``mode``, ``color``, ``frames`` or ``name``.
        detail: Description of what is unusual.
    """

    place: PictureLocation
    what: str
    detail: str


@dataclass(frozen=True)
class DataCheck:
    """The findings of a check.

    Attributes:
        faults: Problems of the data set as a whole, one line each, for which training refuses it.
        classes: Class names, in order.
        counts: Readable pictures per class, in the order of the classes, by split.
        left_out: Files that are not read as pictures of a class.
        sides: Minimum, median and maximum of the longer sides, in pixels.
        kinds: Number of files by format and mode; empty for pictures in arrays.
    """

    data: str
    faults: tuple[str, ...]
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    broken: tuple[BrokenPicture, ...]
    repeats: tuple[RepeatedPicture, ...]
    small: tuple[SmallClass, ...]
    odd: tuple[OddPicture, ...]
    left_out: tuple[str, ...]
    sides: tuple[int, int, int]
    kinds: Mapping[str, int]

    @property
    def images(self) -> int:
        """Total number of pictures, including broken ones."""
        return sum(map(sum, self.counts.values())) + len(self.broken)

    @property
    def problems(self) -> dict[str, int]:
        """Number of findings that would harm a model or falsify its metrics, by kind."""
        found = {
            "faults": len(self.faults),
            "broken": len(self.broken),
            "leaks": sum(repeat.is_leak for repeat in self.repeats),
            "conflicts": sum(repeat.is_conflict for repeat in self.repeats),
            "small_classes": len(self.small),
        }
        return {kind: count for kind, count in found.items() if count}

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain values for JSON."""
        return {
            "data": self.data,
            "images": self.images,
            "classes": list(self.classes),
            "counts": {
                split: dict(zip(self.classes, counts, strict=True))
                for split, counts in self.counts.items()
            },
            "problems": self.problems,
            "faults": list(self.faults),
            "broken": [{**one.place.to_dict(), "reason": one.reason} for one in self.broken],
            "repeats": [repeat.to_dict() for repeat in self.repeats],
            "small_classes": [vars(one) for one in self.small],
            "odd": [
                {**one.place.to_dict(), "what": one.what, "detail": one.detail} for one in self.odd
            ],
            "left_out": list(self.left_out),
            "sides": list(self.sides),
            "kinds": dict(self.kinds),
        }


def check_data(
    data: str | Path | Dataset,
    smallest: int = SMALLEST,
    progress: Callable[[int, int], object] | None = None,
    faults: Sequence[str] = (),
) -> DataCheck:
    """Find all problems of a data set, not only the first.

    Args:
        data: A data set, or what :func:`kerascnn.dataset.load_dataset` takes.
        smallest: Minimum training pictures per class.
        faults: Problems found while the given data set was loaded.

    Raises:
        DataError: Not a data set at all, or one that cannot be listed.
    """
    noted = FaultCollector()
    dataset = data if isinstance(data, Dataset) else load_for_check(data, noted)
    places = _places(dataset)
    tell = progress or (lambda _done, _total: None)
    fingerprints = _fingerprints(dataset, lambda done: tell(done, len(places)))
    files = headers(dataset)
    readable = [index for index in range(len(places)) if index not in fingerprints.broken]
    counts = {
        name: _counts([places[i].label for i in readable if places[i].split == name], dataset)
        for name in dataset.ordered()
    }
    return DataCheck(
        data=dataset.name,
        faults=(*faults, *noted.found, *structural_faults(counts, dataset.classes, fingerprints)),
        classes=dataset.classes,
        counts=counts,
        broken=tuple(
            BrokenPicture(places[i], reason) for i, reason in sorted(fingerprints.broken.items())
        ),
        repeats=_repeats(fingerprints, places),
        small=tuple(_small(counts, dataset.classes, smallest)),
        odd=_odd(fingerprints, files, places),
        left_out=left_out(dataset),
        sides=_sides(fingerprints, readable),
        kinds=dict(Counter(f"{one.format} {one.mode}" for one in files.values()).most_common()),
    )


def _repeats(
    fingerprints: Fingerprints, places: list[PictureLocation]
) -> tuple[RepeatedPicture, ...]:
    return tuple(
        RepeatedPicture(tuple(places[i] for i in group.indices), group.exact, group.similarity)
        for group in group_near_duplicates(fingerprints)
    )


def _odd(
    fingerprints: Fingerprints, files: dict[int, Header], places: list[PictureLocation]
) -> tuple[OddPicture, ...]:
    found = find_outliers(fingerprints, files, [place.path for place in places])
    return tuple(OddPicture(places[one.index], one.what, one.detail) for one in found)


def load_for_check(data: str | Path, noted: FaultCollector) -> Dataset:
    """Load as much as possible; if nothing is left, return an empty data set with the problems.

    Raises:
        DataError: Nothing can be loaded, and no other problem was found.
    """
    try:
        return load_dataset(data, noted)
    except DataError as error:
        if not noted.found:
            raise
        noted.error(str(error))
        nothing = Split(FilePictures((), Path(data)), np.zeros(0, np.int64))
        return Dataset(str(data), (), {"train": nothing})


def _places(dataset: Dataset) -> list[PictureLocation]:
    return [
        PictureLocation(split.pictures.name(index), name, dataset.classes[label], index)
        for name, split in dataset.ordered().items()
        for index, label in enumerate(split.labels)
    ]


def _fingerprints(dataset: Dataset, progress: Callable[[int], object]) -> Fingerprints:
    parts: list[Fingerprints] = []
    for split in dataset.ordered().values():
        before = sum(map(len, parts))
        report = lambda done, before=before: progress(before + done)  # noqa: E731
        parts.append(fingerprint_pictures(split.pictures, report))
    return concatenate(parts)


def _counts(labels: list[str], dataset: Dataset) -> tuple[int, ...]:
    found = Counter(labels)
    return tuple(found[label] for label in dataset.classes)


def _sides(fingerprints: Fingerprints, readable: list[int]) -> tuple[int, int, int]:
    if not readable:
        return 0, 0, 0
    sides = fingerprints.sizes[readable].max(axis=1)
    return int(sides.min()), int(np.median(sides)), int(sides.max())


def _small(
    counts: Mapping[str, tuple[int, ...]], classes: tuple[str, ...], smallest: int
) -> list[SmallClass]:
    found = []
    for split, numbers in counts.items():
        # A split for evaluation may have few pictures per class, but not none.
        fewest = smallest if split == "train" else 1
        for label, images in zip(classes, numbers, strict=True):
            if images < fewest:
                found.append(SmallClass(label, split, images))
    return found
