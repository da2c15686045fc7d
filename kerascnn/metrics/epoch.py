"""The metrics of one epoch of a training.

Knows: the fields, which are also the columns of ``history.csv``. Does not know: training.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """One row of ``history.csv``.

    Attributes:
        epoch: Number of the epoch, from 1.
        learning_rate: Learning rate at the end of the epoch.
        loss: Mean cross-entropy over the training pictures, in nats.
        accuracy: Top-1 accuracy on the training pictures as they were fed (augmented), 0 to 1.
        val_loss: Cross-entropy over the validation pictures, in nats.
        val_accuracy: Top-1 accuracy on the validation pictures, 0 to 1.
        images_per_second: Training pictures per second, without validation.
        seconds: Duration of the whole epoch, in seconds.
    """

    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    images_per_second: float
    seconds: float
