"""The choice of the epoch whose model is kept.

Knows: the metrics of the epochs so far. Does not know: networks, files.
"""

from __future__ import annotations

from collections.abc import Sequence

from kerascnn.metrics.significance import wilson_interval
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.phases import validation_rank


def is_kept(history: Sequence[EpochRecord], keep: str, pictures: int) -> bool:
    """Return whether the newest epoch replaces the one that was kept so far.

    Args:
        history: The epochs so far, at least one.
        keep: ``best``: the highest validation accuracy, then the lowest loss. ``newest``: the
            newest that is not significantly worse than the best. The learning rate ends at 0, so
            the last epoch is expected to be the best, and an earlier one has to be clearly better.
        pictures: Number of validation pictures.
    """
    newest, best = history[-1], max(history, key=validation_rank)
    if keep != "newest":
        return newest is best
    return newest.val_accuracy >= wilson_interval(best.val_accuracy * pictures, pictures).low
