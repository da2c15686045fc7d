"""Labeled pictures for a trained model: selected, matched with its classes, and resized.

Knows: the order of these steps, which is the same for evaluation, export, calibration and report.
Does not know: what the pictures are used for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kerascnn.card import ModelCard
from kerascnn.dataset import Dataset
from kerascnn.errors import DataError
from kerascnn.training.data.cache import PackCache
from kerascnn.training.data.pack import Pack, pack


def labeled_pack(
    dataset: Dataset,
    card: ModelCard,
    split: str | None = None,
    cache: PackCache | None = None,
    most: int | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> tuple[str, Pack]:
    """Load a split of a data set, in the size and the order of classes of a model's card.

    Args:
        split: ``train``, ``val``, ``test``, ``all``; None: test, else val, else all.
        most: Maximum number of pictures, a random sample; None: all.

    Returns:
        Name of the split, and at least one picture.

    Raises:
        ConfigError: The data set has no such split.
        DataError: There is a class that the model does not know, or no readable picture.
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
