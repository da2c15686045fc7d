"""Finds evaluated pictures that are also training pictures.

Knows: splits, names and labels. Does not know how similar two pictures are (near_duplicates).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerascnn.dataset.check.fingerprints import concatenate, fingerprint_pictures
from kerascnn.dataset.check.near_duplicates import find_nearest
from kerascnn.dataset.split import SPLITS, Dataset, Split, join


@dataclass(frozen=True)
class Leak:
    """A picture with a duplicate or near-duplicate in another split.

    Attributes:
        similarity: Their similarity; 1 if the pixels are equal.
        exact: Whether the pixels are equal.
    """

    path: str
    label: str
    twin: str
    twin_label: str
    similarity: float
    exact: bool


@dataclass(frozen=True)
class Leaks:
    """Result of comparing one split with others."""

    images: int
    against: tuple[str, ...]
    others: int
    pictures: tuple[Leak, ...]

    @property
    def exact(self) -> int:
        """Number of pictures with an exact duplicate."""
        return sum(leak.exact for leak in self.pictures)

    def to_dict(self) -> dict[str, Any]:
        """Return the leaks as plain values for JSON."""
        return {
            "images": self.images,
            "against": list(self.against),
            "others": self.others,
            "exact": self.exact,
            "near": len(self.pictures) - self.exact,
            "pictures": [vars(leak) for leak in self.pictures],
        }


def find_leaks(dataset: Dataset, judged: str, learned: Dataset | None = None) -> Leaks | None:
    """Find pictures of one split that are also in others.

    Args:
        judged: Name of the split that a model is evaluated on.
        learned: Data set that the model was trained on, if it is another one: its ``train`` and
            ``val`` are compared.
    """
    source = learned or dataset
    unseen = "test" if learned else judged
    names = tuple(name for name in SPLITS if name in source.splits and name != unseen)
    if not names or (judged == "all" and not learned):
        return None
    one = dataset.choose(judged)[1]
    other = join([source.splits[name] for name in names])
    total = len(one) + len(other)
    fingerprints = concatenate([fingerprint_pictures(part.pictures) for part in (one, other)])
    found = find_nearest(fingerprints, range(len(one)), range(len(one), total))
    pictures = tuple(
        Leak(
            *_named(one, index, dataset.classes),
            *_named(other, twin.index - len(one), source.classes),
            twin.similarity,
            twin.exact,
        )
        for index, twin in sorted(found.items())
    )
    return Leaks(len(one), names, len(other), pictures)


def _named(split: Split, index: int, classes: tuple[str, ...]) -> tuple[str, str]:
    return split.pictures.name(index), classes[split.labels[index]]
