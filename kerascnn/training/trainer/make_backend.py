"""The choice of the training backend.

Knows: which backends there are. Does not know: how they work.
"""

from __future__ import annotations

import keras

from kerascnn.errors import ConfigError
from kerascnn.training.trainer.backend import Backend, StepParts


def make_backend(parts: StepParts, devices: int = 1) -> Backend:
    """Make the training steps for the current Keras backend.

    ``devices``: number of devices of this process, which share each batch.

    Raises:
        ConfigError: Keras runs on a backend other than TensorFlow or JAX.
    """
    if not parts.optimizer.built:
        parts.optimizer.build(parts.model.trainable_variables)
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
