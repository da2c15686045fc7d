"""The choice of the training backend.

Knows: which backends there are. Does not know: how they work.
"""

from __future__ import annotations

import keras

from kerascnn.errors import ConfigError
from kerascnn.training.optimizers.ema import ExponentialMovingAverage
from kerascnn.training.trainer.backend import Backend, StepParts
from kerascnn.training.trainer.loss import Loss


def make_backend(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Loss,
    batch_size: int,
    devices: int = 1,
    averages: ExponentialMovingAverage | None = None,
) -> Backend:
    """Make the training steps for the current Keras backend.

    Args:
        model: Model to train.
        optimizer: Optimizer, not built yet or built for this model's trainable variables.
        loss: The loss of a batch.
        batch_size: Pictures per step.
        devices: Number of devices of this process, which share each batch.
        averages: Moving averages (EMA) of the model, updated in every step.

    Raises:
        ConfigError: Keras runs on a backend other than TensorFlow or JAX.
    """
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    parts = StepParts(model, optimizer, loss, batch_size, averages)
    name = keras.config.backend()
    if name == "tensorflow":
        if devices > 1:
            from kerascnn.training.trainer.mirrored_backend import MirroredBackend

            return MirroredBackend(parts)
        from kerascnn.training.trainer.tensorflow_backend import TensorFlowBackend

        return TensorFlowBackend(parts)
    if name == "jax":
        from kerascnn.training.trainer.jax_backend import JaxBackend

        return JaxBackend(parts, devices)
    raise ConfigError(
        f"KERAS_BACKEND is {name!r}. Training runs on tensorflow or jax: set it to one of them."
    )
