"""One training step: loss, optimiser, learning-rate schedule, and seeds.

Knows: what is compiled, and how. Does not know: epochs, files, progress.
"""

from __future__ import annotations

import os

import keras
import numpy as np
import numpy.typing as npt

from kerascnn.training.config import TrainConfig
from kerascnn.training.feeding import steps_per_epoch
from kerascnn.training.layerwise import LayerwiseAdamW, block_factors
from kerascnn.training.phases import Phase

WARM_UP = 0.1
"""Share of all steps in which the learning rate rises in a line from (almost) zero."""

WEIGHT_DECAY = 0.05
"""Decoupled, so times the learning rate in every step (AdamW, Loshchilov and Hutter 2019,
https://arxiv.org/abs/1711.05101)."""


def start_deterministically(seed: int, every_operation: bool) -> None:
    """Seed Python, numpy and the backend.

    Args:
        seed: From 0 to 2**32 - 1.
        every_operation: Also forbid operations whose result depends on thread timing.
    """
    keras.utils.set_random_seed(seed)
    if every_operation and keras.config.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif every_operation:
        os.environ["XLA_FLAGS"] = (
            f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true"
        )


class TrainingStep:
    """A compiled training step over uint8 pictures.

    Attributes:
        model: From uint8 ``[batch, size, size, 3]`` to logits; shares the network's weights.
        batch_size: Pictures a step.
        steps: In an epoch.
    """

    def __init__(self, model: keras.Model, classes: int, batch_size: int, steps: int) -> None:
        self.model, self.batch_size, self.steps = model, batch_size, steps
        self._one_hot = np.eye(classes, dtype=np.float32)

    def step(
        self, pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
    ) -> tuple[float, float]:
        """Learn from one batch.

        Args:
            pictures: uint8 ``[batch, size, size, 3]``.
            labels: int64 ``[batch]``.

        Returns:
            The mean loss in nats, and how many were right.
        """
        logs = self.model.train_on_batch(pictures, self._one_hot[labels], return_dict=True)
        return float(logs["loss"]), float(logs["accuracy"]) * len(labels)

    def learning_rate(self) -> float:
        """Give the rate of the next step."""
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


def compile_for_training(
    model: keras.Model, core: keras.Model, config: TrainConfig, phase: Phase, pictures: int
) -> TrainingStep:
    """Put loss and optimiser around a network.

    Args:
        model: What is fed: from uint8 pictures (or features) to logits; shares the core's weights.
        core: From normalised pixels to logits.
        config: Of the run.
        phase: What learns now, how long, how fast.
        pictures: In the training split.

    Returns:
        The step.
    """
    batch_size = min(config.batch_size, pictures)
    steps = steps_per_epoch(pictures, batch_size)
    rate = _schedule(phase.learning_rate, steps * phase.epochs)
    model.compile(
        optimizer=_optimizer(core, config.layer_decay, rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=_jit_compile(),
    )
    return TrainingStep(model, core.output_shape[-1], batch_size, steps)


def _optimizer(
    core: keras.Model, decay: float, rate: keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    options = {"learning_rate": rate, "weight_decay": WEIGHT_DECAY}
    if decay == 1:
        return keras.optimizers.AdamW(**options)
    return LayerwiseAdamW(block_factors(core, decay), **options)


def _schedule(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = max(1, round(WARM_UP * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 100,
        warmup_target=peak,
        warmup_steps=warm_up,
        decay_steps=max(1, steps - warm_up),
    )


def _jit_compile() -> bool | str:
    if keras.config.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    # Keras' "auto" means XLA here. On two CPU cores XLA runs the baseline CNN at half the speed
    # of TensorFlow's oneDNN kernels (1,800 against 4,000 images/s, TensorFlow 2.21).
    return bool(tf.config.list_physical_devices("GPU"))
