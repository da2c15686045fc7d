"""What the two backends have in common, and the choice between them.

Knows: that many steps run in one compiled call, over pictures that lie on the device. Does not
know: epochs, shuffling.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from kerascnn.errors import ConfigError
from kerascnn.training.averaging import Averages
from kerascnn.training.changing import Draws
from kerascnn.training.steps.objective import Objective

Array: TypeAlias = npt.NDArray[Any]
Losses: TypeAlias = npt.NDArray[np.float32]


class Backend(Protocol):
    """Runs training steps.

    Attributes:
        xla: Whether XLA compiles the step.
    """

    xla: bool

    def put(self, pictures: Array, labels: Array) -> Any:
        """Lay pictures and labels (int32) in the device's memory; may be called in a thread."""

    def agreed(self, steps: int) -> int:
        """Give how many steps the first process would run in one call: all must run as many."""

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


def make_backend(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    objective: Objective,
    batch_size: int,
    devices: int = 1,
    averages: Averages | None = None,
) -> Backend:
    """Make the steps for the backend that Keras runs on.

    Args:
        model: What is trained.
        optimizer: Not built yet, or for this model's trainable variables.
        objective: The loss.
        batch_size: Pictures a step.
        devices: Of this process, that share each batch.
        averages: Of the model, which every step moves.

    Returns:
        The steps.

    Raises:
        ConfigError: Keras runs on another backend than TensorFlow or JAX.
    """
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    name = keras.config.backend()
    if name == "tensorflow":
        from kerascnn.training.steps.on_tensorflow import TensorFlowBackend

        return TensorFlowBackend(model, optimizer, objective, batch_size, averages)
    if name == "jax":
        from kerascnn.training.steps.on_jax import JaxBackend

        return JaxBackend(model, optimizer, objective, batch_size, devices, averages)
    raise ConfigError(
        f"KERAS_BACKEND is {name!r}. Training runs on tensorflow or jax: set it to one of them."
    )
