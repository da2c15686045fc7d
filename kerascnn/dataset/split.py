"""A data set: pictures, labels and class names, in splits.

Knows: classes, labels, splits. Does not know where pictures come from or how they are read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.class_names import similar_class
from kerascnn.dataset.pictures import ConcatenatedPictures, Pictures, Subset
from kerascnn.errors import ConfigError, DataError
from kerascnn.printable import first_few

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Pictures with their labels, int64 ``[pictures]``, which are indices into the classes."""

    pictures: Pictures
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """Keep only some pictures, in the order of ``indices`` (int64)."""
        return Split(Subset(self.pictures, indices), self.labels[indices])

    def longest_side(self) -> int:
        """Return the longest side in pixels of up to 1,000 evenly spaced pictures."""
        return max(longer for _, longer in self._sides)

    def elongation(self) -> float:
        """Return the median of longer to shorter side of the same pictures; 1 if none is read."""
        ratios = [longer / shorter for shorter, longer in self._sides if shorter]
        return median(ratios) if ratios else 1.0

    @cached_property
    def _sides(self) -> list[tuple[int, int]]:
        sample = np.linspace(0, len(self) - 1, min(len(self), 1000)).astype(int)
        return [self.pictures.sides(index) for index in sample.tolist()]


@dataclass(frozen=True)
class Dataset:
    """Pictures, labels and class names, divided into splits.

    Attributes:
        name: Name or path that the user gave.
        classes: Class names in the order of the labels; any Unicode, in NFC.
        splits: Splits by name: always ``train``, and ``val`` and ``test`` if the data has them.
        held_out: Whether ``val`` was split off the training pictures here.
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, Split] = field(default_factory=dict)
    held_out: bool = False

    @property
    def title(self) -> str:
        """The last part of the name, as cards and reports show it."""
        return title_of(self.name)

    def ordered(self) -> dict[str, Split]:
        """Return the splits in the order train, val, test."""
        return {name: self.splits[name] for name in SPLITS if name in self.splits}

    def balance(self, classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Count the pictures of each of these classes, by split."""
        found = {}
        for name, split in self.ordered().items():
            counts = np.bincount(split.labels, minlength=len(self.classes)).tolist()
            by_name = dict(zip(self.classes, counts, strict=True))
            found[name] = tuple(by_name.get(label, 0) for label in classes)
        return found

    def choose(
        self, wanted: str | None = None, classes: tuple[str, ...] | None = None
    ) -> tuple[str, Split]:
        """Choose the split to evaluate on.

        Args:
            wanted: ``train``, ``val``, ``test``, ``all``, or None: test, else val, else all.
            classes: Classes of a model, which labels become indices into; None: the data's own.

        Returns:
            The split's name and the split.

        Raises:
            ConfigError: The data set has no such split.
            DataError: A class that the model does not have.
        """
        chosen = wanted or next((name for name in ("test", "val") if name in self.splits), "all")
        if chosen in self.splits:
            return chosen, self.matched(self.splits[chosen], classes or self.classes)
        if chosen == "all":
            whole = join(list(self.ordered().values()))
            return chosen, self.matched(whole, classes or self.classes)
        raise ConfigError(
            f"{self.name}: there is no split {chosen!r}. "
            f"Choose one of: {', '.join([*self.splits, 'all'])}."
        )

    def matched(self, split: Split, classes: tuple[str, ...]) -> Split:
        """Convert the labels of a split to indices into a model's classes, by name.

        Raises:
            DataError: A class that the model does not have.
        """
        places = {name: place for place, name in enumerate(classes)}
        unknown = [name for name in self.classes if name not in places]
        if unknown:
            raise DataError(
                f"{self.name}: the model has no class {first_few(list(map(repr, unknown)))}. "
                f"Its classes: {first_few(list(map(repr, classes)), 20)}."
                f"{similar_class(unknown[0], classes)}"
            )
        index = np.asarray([places[name] for name in self.classes], np.int64)
        return Split(split.pictures, index[split.labels])


def title_of(data: str | Path) -> str:
    """Return the last part of a name or path; for ``.`` and ``..`` that of the folder meant.

    Examples:
        >>> title_of("fashion-mini"), title_of("photos/flowers/train/..")
        ('fashion-mini', 'flowers')
    """
    return Path(os.path.abspath(data)).name  # noqa: PTH100 - the name of a link, not its target


def join(splits: Sequence[Split]) -> Split:
    """Concatenate splits."""
    if len(splits) == 1:
        return splits[0]
    pictures = ConcatenatedPictures(tuple(split.pictures for split in splits))
    return Split(pictures, np.concatenate([split.labels for split in splits]))
