"""Which epoch is kept, and when training has stopped getting better.

Knows: the numbers of the epochs so far. Does not know networks or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kerascnn.metrics.significance import wilson_interval
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.phases import Phase


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


def phase_ends(
    phases: Sequence[Phase], history: Sequence[EpochRecord], patience: int | None
) -> Iterator[tuple[Phase, int, int]]:
    """Find the epochs that each phase took, from what was recorded.

    Args:
        phases: As they were planned.
        history: All epochs of the run.
        patience: Of the run.

    Yields:
        Phases that were begun, with their first and last epoch, from 1.
    """
    last = 0
    for phase in phases:
        first, done = last + 1, 0
        while last < len(history) and done < phase.epochs:
            last, done = last + 1, done + 1
            if out_of_patience(history[:last], done, patience):
                break
        if done:
            yield phase, first, last


def _merit(record: EpochRecord) -> tuple[float, float]:
    return record.val_accuracy, -record.val_loss
