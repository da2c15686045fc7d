"""Splits validation pictures off the training pictures.

Knows: shares, stratification, and that a hash of names decides. Does not know the pictures.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kerascnn.dataset.split import Dataset, Split
from kerascnn.errors import DataError

LARGE = 20_000
"""Number of training pictures above which 5 % are enough for validation, instead of 10 %."""


def default_share(pictures: int) -> float:
    """Return the fraction of so many training pictures to hold out for validation."""
    return 0.05 if pictures > LARGE else 0.1


def with_validation(dataset: Dataset, fraction: float | None, seed: int) -> Dataset:
    """Split validation pictures off the training split, if the data has none.

    Stratified: the share is the same for every class. A hash of the seed and each picture's name
    decides which pictures are chosen, so that adding pictures later moves few of the others.

    Args:
        fraction: Of the training pictures, between 0 and 1; None: 0.1, or 0.05 above 20,000.

    Raises:
        DataError: No class has two pictures, so nothing can be split off.
    """
    if "val" in dataset.splits:
        return dataset
    train = dataset.splits["train"]
    share = default_share(len(train)) if fraction is None else fraction
    chosen = np.zeros(len(train), bool)
    for label in range(len(dataset.classes)):
        chosen[_chosen(train, label, share, seed)] = True
    if not chosen.any():
        raise DataError(
            f"{dataset.name}: no class has two pictures, so none can be held out for validation. "
            "Add pictures, or give a val/ folder."
        )
    val, rest = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    splits = {"train": train.take(rest), "val": train.take(val)}
    return replace(dataset, splits={**dataset.splits, **splits}, held_out=True)


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
