"""What the backends have in common.

Knows: that many steps run in one compiled call, over pictures that lie on the device. Does not
know: epochs, shuffling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from kerascnn.training.augmentation.batch import Draws
from kerascnn.training.optimizers.ema import ExponentialMovingAverage
from kerascnn.training.trainer.loss import Loss

Array: TypeAlias = npt.NDArray[Any]
Losses: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StepParts:
    """What a training step is made of."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: Loss
    batch_size: int
    averages: ExponentialMovingAverage | None = None


class Backend(Protocol):
    """Runs training steps."""

    xla: bool

    def put(self, pictures: Array, labels: Array) -> Any:
        """Copy pictures and labels (int32) to the device; may be called in a thread."""

    def broadcast(self, steps: int) -> int:
        """Return how many steps the first process would run in one call: all must run as many."""

    def run(
        self, data: Any, order: Array, start: int, stop: int, draws: Draws | None = None
    ) -> tuple[Losses, Losses]:
        """Run the steps from ``start`` and below ``stop`` in one compiled call.

        Args:
            data: What :meth:`put` gave.
            order: int32, a whole number of batches: which pictures each step takes.
            start: The first step.
            stop: The one after the last.
            draws: How each step's pictures are changed; None: not at all.

        Returns:
            For each step, float32: the mean loss, and how many answers were right.
        """
