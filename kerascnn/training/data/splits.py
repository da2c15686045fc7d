"""The data of a run: training, validation and, if there is one, test split.

Knows: where validation pictures come from. Does not know: how pictures are read.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from kerascnn.dataset import Dataset, load_dataset, with_validation
from kerascnn.training.config import TrainConfig

log = logging.getLogger(__name__)


def run_dataset(config: TrainConfig) -> Dataset:
    """Load the data of a configuration, with the same validation split for the same seed.

    Raises:
        DataError: There is no usable data, or validation classes that are not training classes.
    """
    dataset = load_dataset(config.data)
    if not isinstance(config.val, str):
        return with_validation(dataset, config.val, config.seed)
    if "val" in dataset.splits:
        log.warning(
            "%s has a validation split of its own; %s is used instead.", dataset.name, config.val
        )
    other = load_dataset(config.val, known=dataset.classes)
    _, val = other.choose("val" if "val" in other.splits else "all", dataset.classes)
    return replace(dataset, splits={**dataset.splits, "val": val})
