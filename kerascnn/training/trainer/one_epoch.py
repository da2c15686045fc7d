"""One epoch of training: its mean loss, accuracy and throughput.

Knows: the trainer's calls, and that the first of a phase compiles. Does not know: validation, what
is kept, how many epochs there are (:mod:`.loop`).
"""

from __future__ import annotations

import math

from kerascnn.errors import TrainingError
from kerascnn.training.callbacks import Callback
from kerascnn.training.clock import SpeedClock
from kerascnn.training.trainer.epoch import Trainer
from kerascnn.training.trainer.head_fit import HeadFit


def train_epoch(
    trainer: Trainer | HeadFit,
    seed: int,
    epoch: int,
    compiles: bool,
    remedy: str,
    progress: Callback,
) -> tuple[float, float, float]:
    """Train for one epoch.

    Args:
        compiles: Whether the first call compiles, so that its time does not count.
        remedy: Advice for the message if the loss is not finite.

    Returns:
        Mean loss, accuracy from 0 to 1, and pictures per second.

    Raises:
        TrainingError: The loss is not finite.
    """
    total_loss, total_right, done, speed = 0.0, 0.0, 0, 0.0
    clock = SpeedClock(trainer.batch_size)
    for step, losses, right in trainer.epoch(seed, epoch):
        # One at a time: the sum must not depend on the number of steps per call.
        for number, (loss, count) in enumerate(zip(losses, right, strict=True), done + 1):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is {float(loss)} in epoch {epoch}, step {number}. {remedy}"
                )
            total_loss += float(loss)
            total_right += float(count)
        done = step
        speed = clock.after(done)
        if not compiles:
            progress.on_speed(speed)
        elif done < trainer.steps:
            clock = SpeedClock(trainer.batch_size, done)  # without the time for compiling
        compiles = False
        progress.on_step_end(
            epoch, done, total_loss / done, total_right / (done * trainer.batch_size)
        )
    return total_loss / done, total_right / (done * trainer.batch_size), speed
