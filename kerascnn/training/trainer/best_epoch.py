"""Which epoch is kept.

Knows: the numbers of the epochs so far. Does not know networks or files.
"""

from __future__ import annotations

from collections.abc import Sequence

from kerascnn.metrics.significance import wilson_interval
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.phases import validation_rank


def is_kept(history: Sequence[EpochRecord], keep: str, pictures: int) -> bool:
    """Return whether the newest epoch takes the place of the one that was kept so far.

    Args:
        history: The epochs so far, at least one.
        keep: ``best``: the highest validation accuracy, then the lowest loss. ``newest``: the
            newest that is not worse than the best by more than chance. The rate ends at 0, so the
            last epoch is the best by expectation, and an earlier one has to be clearly better.
        pictures: How many validation pictures there are.
    """
    newest, best = history[-1], max(history, key=validation_rank)
    if keep != "newest":
        return newest is best
    return newest.val_accuracy >= wilson_interval(best.val_accuracy * pictures, pictures).low
