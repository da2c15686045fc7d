"""Recognizes pictures that a network has learned from, by hashes of some of them in its card.

Knows: pictures as the network takes them, and what cards of earlier versions say instead. Does not
know how pictures are decoded or predicted.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np

from kerascnn.card import ModelCard
from kerascnn.dataset import Dataset, Split, sized_pictures
from kerascnn.errors import PictureError
from kerascnn.images import ResizeRule, Shape, UInt8Array

log = logging.getLogger(__name__)

REMEMBERED = "remembered"
"""Key of the hashes in a card's ``data``."""

_MOST = 64
"""Number of hashes: of a tenth of the training pictures, about six are recognized."""

_LEAST = 2
"""Number of recognized pictures from which data counts as learned: blank pictures are all equal,
so one says nothing."""

Read: TypeAlias = Callable[[int], UInt8Array | PictureError]


def remember(
    split: Split, size: int | Shape, resize: ResizeRule, resized: UInt8Array | None = None
) -> list[str]:
    """Hash some training pictures, for the card of the network.

    Args:
        resized: All pictures of the split in that size, uint8 ``[pictures, height, width, 3]``;
            None: the chosen ones are read.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(split))[:_MOST])
    sized: Iterable[UInt8Array | PictureError]
    if resized is None:
        sized = sized_pictures(split.take(chosen).pictures, size, resize)
    else:
        sized = resized[chosen]
    return sorted({_hash(one) for one in sized if not isinstance(one, PictureError)})


def _hash(picture: UInt8Array) -> str:
    return hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=8).hexdigest()


class LearnedPictures:
    """The training pictures that are recognized among those to evaluate a network on."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self._remembered = frozenset(card.data.get(REMEMBERED, ()))
        self._found: set[str] = set()

    def look_at(self, pictures: Iterable[UInt8Array]) -> None:
        """Compare pictures, resized for the network, with the remembered ones."""
        if self._remembered:
            self._found |= self._remembered.intersection(map(_hash, pictures))

    def looking(self, read: Read) -> Read:
        """Return a function that also compares each picture that it reads, in any thread."""

        def look(index: int) -> UInt8Array | PictureError:
            picture = read(index)
            if not isinstance(picture, PictureError):
                self.look_at((picture,))
            return picture

        return look

    def warn(self, dataset: Dataset, split: str) -> None:
        """Warn if the network has learned from the pictures of a split."""
        what = None if split == "train" else self._learned(dataset, split)
        if what is not None:
            log.warning(
                "%s was trained on %s, so this is not its accuracy on new ones. Evaluate it on "
                "others, or the run on its validation pictures: kerascnn evaluate RUN",
                self._card.name,
                what,
            )

    def _learned(self, dataset: Dataset, split: str) -> str | None:
        """Describe the pictures of a split that the network has learned from; None: none."""
        if not self._remembered:
            most = _is_training_data(self._card, dataset, split)
            return "most of these pictures" if most else None
        if len(self._found) < _LEAST:
            return None
        return (
            f"some of these pictures ({len(self._found)} of the {len(self._remembered)} training "
            "pictures that its card remembers)"
        )


def _is_training_data(card: ModelCard, dataset: Dataset, split: str) -> bool:
    """Return whether a data set seems to be that of a card without hashes."""
    if split == "test" or dataset.title != card.data.get("name"):
        return False
    train, val, skipped = (card.data.get(name, 0) for name in ("train", "val", "skipped"))
    alike = len(dataset.splits.get("train", ())) - skipped in (train, train + val)
    return bool(card.data.get("refit")) or (split == "all" and alike)
