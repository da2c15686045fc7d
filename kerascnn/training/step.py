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
        weights: float32 ``[classes]``: how much a picture of each class weighs in the loss; None:
            all alike.
    """

    def __init__(
        self,
        model: keras.Model,
        classes: int,
        batch_size: int,
        steps: int,
        weights: npt.NDArray[np.float32] | None,
    ) -> None:
        self.model, self.batch_size, self.steps, self.weights = model, batch_size, steps, weights
        self._one_hot = np.eye(classes, dtype=np.float32)

    def step(
        self, pictures: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
    ) -> tuple[float, float]:
        """Learn from one batch.

        Args:
            pictures: uint8 ``[batch, size, size, 3]``.
            labels: int64 ``[batch]``.

        Returns:
            The mean loss in nats (smoothed and weighted, if so), and how many were right.
        """
        weights = None if self.weights is None else self.weights[labels]
        logs = self.model.train_on_batch(
            pictures, self._one_hot[labels], sample_weight=weights, return_dict=True
        )
        return float(logs["loss"]), float(logs["accuracy"]) * len(labels)

    def learning_rate(self) -> float:
        """Give the rate of the next step."""
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


def compile_for_training(
    model: keras.Model,
    core: keras.Model,
    config: TrainConfig,
    phase: Phase,
    labels: npt.NDArray[np.int64],
) -> TrainingStep:
    """Put loss and optimiser around a network.

    Args:
        model: What is fed: from uint8 pictures (or features) to logits; shares the core's weights.
        core: From normalised pixels to logits.
        config: Of the run.
        phase: What learns now, how long, how fast.
        labels: Of the training pictures, int64 ``[pictures]``.

    Returns:
        The step.
    """
    batch_size = min(config.batch_size, len(labels))
    steps = steps_per_epoch(len(labels), batch_size)
    rate = _schedule(phase.learning_rate, steps * phase.epochs)
    model.compile(
        optimizer=_optimizer(core, config.layer_decay, rate),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        metrics=["accuracy"],
        jit_compile=_jit_compile(),
    )
    classes = core.output_shape[-1]
    weights = balanced_weights(labels, classes) if config.class_weights == "balanced" else None
    return TrainingStep(model, classes, batch_size, steps, weights)


def balanced_weights(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """Weigh the classes so that each counts as much as every other.

    Args:
        labels: Of the training pictures, int64 ``[pictures]``; every class occurs.
        classes: How many.

    Returns:
        float32 ``[classes]``: pictures / (classes x pictures of the class), as scikit-learn's
        ``balanced``; the mean over the pictures is 1, so the learning rate keeps its meaning.
    """
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * counts)).astype(np.float32)


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
