"""Labelled pictures for a trained model: chosen, matched with its classes, and at its size.

Knows: the order of these steps, which is the same for evaluation, export, calibration and report.
Does not know what is done with the pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kerascnn.card import ModelCard
from kerascnn.dataset import Dataset
from kerascnn.errors import DataError
from kerascnn.training.data.cache import PackCache
from kerascnn.training.data.pack import Pack, pack


def labelled_pack(
    dataset: Dataset,
    card: ModelCard,
    split: str | None = None,
    cache: PackCache | None = None,
    most: int | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> tuple[str, Pack]:
    """Load a split of a data set as the model of a card takes it.

    Args:
        dataset: A data set whose classes the model knows.
        card: For classes, size and resize rule.
        split: ``train``, ``val``, ``test``, ``all``; None: test, else val, else all.
        cache: Where resized pictures are kept; None: nowhere.
        most: A random sample of so many pictures at most; None: all.
        progress: Called with the split's name, pictures done and pictures in all.

    Returns:
        The split's name, and at least one picture; labels are indices into the card's classes.

    Raises:
        ConfigError: The data set has no such split.
        DataError: A class that the model does not know, or no picture that can be read.
    """
    name, chosen = dataset.choose(split, card.classes)
    if most is not None and most < len(chosen):
        chosen = chosen.take(np.sort(np.random.default_rng(0).permutation(len(chosen))[:most]))
    total = len(chosen)
    told = (lambda done: progress(name, done, total)) if progress else None
    found = pack(chosen, card.shape, card.resize_rule, progress=told, cache=cache)
    if not len(found):
        first = f" The first: {found.skipped[0]}" if found.skipped else ""
        raise DataError(f"{dataset.name}: no picture of split {name} can be read.{first}")
    return name, found
