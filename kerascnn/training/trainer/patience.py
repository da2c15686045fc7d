"""Early stopping: which epoch is the best, and when a phase ends for want of a better one.

Knows: records of epochs. Does not know Keras, nor how an epoch is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.phases import Phase


def merit(record: EpochRecord) -> tuple[float, float]:
    """Order epochs: by validation accuracy, and among equals by validation loss."""
    return record.val_accuracy, -record.val_loss


def out_of_patience(history: Sequence[EpochRecord], done: int, patience: int | None) -> bool:
    """Tell whether nothing got better for too long; each phase has its own patience.

    Args:
        history: All epochs so far.
        done: How many of them are of the present phase.
        patience: Epochs without a better one; None: no end of it.
    """
    if patience is None:
        return False
    highest = max(history, key=merit)
    return min(done, len(history) - highest.epoch) >= patience


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
