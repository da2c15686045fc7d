"""Training steps on TensorFlow: a loop inside one function.

Knows: TensorFlow. Does not know: epochs, shuffling.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from kerascnn.training.augmentation.batch import Draws, changed
from kerascnn.training.trainer.backend import Array, Losses, StepParts
from kerascnn.training.trainer.fused_batchnorm import fused_batchnorm
from kerascnn.training.trainer.small_maps import split_convolutions

# Without AutoGraph, as in Keras' own `fit`: no step has Python control flow that depends on tensor
# values, and rewriting the source would delay the first step by 0.4 s.
_compiled = partial(tf.function, autograph=False)


class TensorFlowBackend:
    """Runs many steps in one call of a ``tf.function``."""

    def __init__(self, parts: StepParts) -> None:
        self._model, self._optimizer = parts.model, parts.optimizer
        self._loss, self._batch_size, self._averages = parts.loss, parts.batch_size, parts.averages
        # On two CPU cores XLA runs the baseline CNN at half the speed of TensorFlow's oneDNN
        # kernels (1,800 against 4,000 images/s, TensorFlow 2.21).
        self.xla = bool(tf.config.list_logical_devices("GPU"))
        self._one_step = _compiled(self._step, jit_compile=True) if self.xla else self._step
        self._many_steps = _compiled(self._steps, reduce_retracing=True)

    def put(self, pictures: Array, labels: Array) -> Any:
        """Copy pictures and labels to the device."""
        return tf.convert_to_tensor(pictures), tf.convert_to_tensor(labels)

    def broadcast(self, steps: int) -> int:
        """Return ``steps``: there is only one process."""
        return steps

    def run(
        self, data: Any, order: Array, start: int, stop: int, draws: Draws | None = None
    ) -> tuple[Losses, Losses]:
        """Run the steps ``range(start, stop)``."""
        losses, right = self._many_steps(
            *data,
            tf.convert_to_tensor(order),
            tf.constant(start),
            tf.constant(stop),
            None if draws is None else draws.each(tf.convert_to_tensor),
        )
        return np.asarray(losses), np.asarray(right)

    def _steps(
        self, pictures: Any, labels: Any, order: Any, start: Any, stop: Any, draws: Any
    ) -> Any:
        def body(step: Any, losses: Any, right: Any) -> Any:
            chosen = tf.slice(order, [step * self._batch_size], [self._batch_size])
            batch = tf.gather(pictures, chosen), tf.gather(labels, chosen)
            loss, count = self._one_step(*batch, None if draws is None else draws.at(step))
            place = step - start
            return step + 1, losses.write(place, loss), right.write(place, count)

        empty = [tf.TensorArray(tf.float32, stop - start, element_shape=()) for _ in range(2)]
        # One iteration at a time: each step needs the weights of the one before.
        _, losses, right = tf.while_loop(
            lambda step, *_: step < stop, body, [start, *empty], parallel_iterations=1
        )
        return losses.stack(), right.stack()

    def _step(self, pictures: Any, labels: Any, draws: Any) -> Any:
        variables = self._model.trainable_variables
        share = None
        if draws is not None:  # otherwise the input may be features, without an image size
            pictures, share = changed(pictures, draws, self._model.input_shape[1])
        with tf.GradientTape() as tape:
            logits = self._logits(pictures)
            loss, right = self._loss(logits, labels, share)
            # Losses that layers add, e.g. weight penalties.
            minimized = tf.add_n([loss, *self._model.losses])
            scaled = self._optimizer.scale_loss(minimized)
        gradients = tape.gradient(scaled, variables)
        self._optimizer.apply(gradients, variables)
        self._average()
        return loss, right

    def _logits(self, pictures: Any) -> Any:
        with ExitStack() as faster:
            if not self.xla:
                faster.enter_context(fused_batchnorm(self._model))
                faster.enter_context(split_convolutions(self._model))
            return self._model(pictures, training=True)

    def _average(self) -> None:
        if self._averages is None:
            return
        kept, model = self._averages.variables, self._model
        parts = (kept, model.trainable_variables, model.non_trainable_variables)
        values = [[tf.convert_to_tensor(variable.value) for variable in part] for part in parts]
        for variable, value in zip(kept, self._averages.updated(*values), strict=True):
            variable.assign(value)
