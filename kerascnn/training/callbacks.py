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


@dataclass(frozen=True)
class Plan:
    """What a run is going to do.

    Attributes:
        data: Name of the data set.
        pictures: How many, by split.
        classes: How many pictures each class has in training, in the order of the classes.
        longest_side: Of the pictures as they are, in pixels.
        image_size: Of the network's input, in pixels.
        resize: How pictures are brought to it.
        network: Its name.
        parameters: Of the network.
        trainable: Of those, how many may learn in the first phase.
        weights: What it starts from.
        device: It runs on.
        backend: Of Keras.
        precision: Of the arithmetic.
        batch_size: Pictures a step.
        steps: In an epoch.
        phases: Epochs and highest rate of each phase.
        optimizer: Its name.
        changes: What is changed in the pictures at random, as options; none: empty.
        folder: Where the run goes.
    """

    data: str
    pictures: dict[str, int]
    classes: tuple[int, ...]
    longest_side: int
    image_size: int
    resize: str
    network: str
    parameters: int
    trainable: int
    weights: str
    device: str
    backend: str
    precision: str
    batch_size: int
    steps: int
    phases: tuple[tuple[int, float], ...]
    optimizer: str
    changes: tuple[str, ...]
    folder: Path


class Progress:
    """Listens to a training run; this one says nothing."""

    def planned(self, plan: Plan) -> None:
        """Hear what the run is going to do, before its first step."""

    def speed(self, images_per_second: float) -> None:
        """Hear how fast the epoch has been so far, before each :meth:`step` but the first."""

    def chosen(self, option: str, value: str, reason: str) -> None:
        """Hear what was put in the place of ``auto``, and why."""

    def fetching(self, what: str, done: int, total: int) -> None:
        """Hear that ``done`` of ``total`` bytes (0: unknown) are downloaded."""

    def finishing(self, what: str, done: int, total: int) -> None:
        """Hear what is done before the first epoch or after the last; ``total`` 0: uncounted."""

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
