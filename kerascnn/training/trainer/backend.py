"""The interface of the training backends.

Knows: many steps run in one compiled call, on pictures in device memory. Does not know: epochs,
shuffling.
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
    """The parts of a training step.

    Attributes:
        model: Network from uint8 ``[batch, size, size, 3]`` (or features) to logits.
        optimizer: Optimizer, not built yet or built for the model's trainable variables.
        batch_size: Pictures per step.
        averages: Moving averages (EMA) that every step updates.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: Loss
    batch_size: int
    averages: ExponentialMovingAverage | None = None


class Backend(Protocol):
    """Runs training steps."""

    xla: bool

    def put(self, pictures: Array, labels: Array) -> Any:
        """Copy pictures and labels (int32) to the device; may be called from another thread."""

    def broadcast(self, steps: int) -> int:
        """Return the first process's number of steps per call, which all processes must use."""

    def run(
        self, data: Any, order: Array, start: int, stop: int, draws: Draws | None = None
    ) -> tuple[Losses, Losses]:
        """Run the steps ``range(start, stop)`` in one compiled call.

        Args:
            data: Return value of :meth:`put`.
            order: Indices of the pictures, int32, batch after batch.
            draws: Random draws that change the pictures of each step; None: unchanged.

        Returns:
            Mean loss and number of correct predictions of each step, float32.
        """
