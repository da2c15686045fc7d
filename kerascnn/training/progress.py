"""What training tells about itself while it runs.

Knows: the moments and the numbers. Does not know how they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EpochRecord:
    """One row of ``history.csv``.

    Attributes:
        epoch: From 1.
        learning_rate: At the end of the epoch.
        loss: Mean cross-entropy over the training pictures, in nats.
        accuracy: Top-1 over the training pictures as they were fed, 0 to 1.
        val_loss: Cross-entropy over the validation pictures, in nats.
        val_accuracy: Top-1 over the validation pictures, 0 to 1.
        images_per_second: Training pictures a second, validation not counted.
        seconds: Of the whole epoch.
    """

    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    images_per_second: float
    seconds: float


class Progress:
    """Listens to a training run; this one says nothing."""

    def opened(self, folder: Path, epochs_done: int) -> None:
        """Hear where the run lies, and how many epochs of it were done before."""

    def reading(self, split: str, done: int, total: int) -> None:
        """Hear that ``done`` of ``total`` pictures of a split are decoded and sized."""

    def started(self, epochs: int, steps: int, batch_size: int) -> None:
        """Hear that training starts, with so many epochs of so many steps."""

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Hear the running means of an epoch (from 1) after a step (from 1)."""

    def epoch(self, record: EpochRecord, best: bool) -> None:
        """Hear that an epoch is done, and whether it is the best so far."""
