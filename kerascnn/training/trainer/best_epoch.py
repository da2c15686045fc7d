"""Which epoch is kept, and when training has stopped getting better.

Knows: the numbers of the epochs so far. Does not know networks or files.
"""

from __future__ import annotations

from collections.abc import Sequence

from kerascnn.metrics.significance import wilson_interval
from kerascnn.training.callbacks import EpochRecord


def is_kept(history: Sequence[EpochRecord], keep: str, pictures: int) -> bool:
    """Tell whether the newest epoch takes the place of the one that was kept so far.

    Args:
        history: The epochs so far, at least one.
        keep: ``best``: the highest validation accuracy, then the lowest loss. ``newest``: the
            newest that is not worse than the best by more than chance. The rate ends at 0, so the
            last epoch is the best by expectation, and an earlier one has to be clearly better.
        pictures: How many validation pictures there are.
    """
    newest, best = history[-1], max(history, key=_merit)
    if keep != "newest":
        return newest is best
    return newest.val_accuracy >= wilson_interval(best.val_accuracy * pictures, pictures).low


def out_of_patience(history: Sequence[EpochRecord], done: int, patience: int | None) -> bool:
    """Tell whether nothing has got better for ``patience`` epochs of this phase.

    Args:
        history: The epochs so far, at least one.
        done: How many of them belong to this phase: each phase has its own patience.
        patience: In epochs; None: without end.
    """
    if patience is None:
        return False
    best = max(history, key=_merit)
    return min(done, len(history) - best.epoch) >= patience


def _merit(record: EpochRecord) -> tuple[float, float]:
    return record.val_accuracy, -record.val_loss
