"""Training steps on JAX: a loop inside one compiled function, through Keras' stateless API.

Knows: JAX. Does not know: epochs, shuffling.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import keras
import numpy as np
from jax import lax

from kerascnn.training.augmentation.batch import Draws, changed
from kerascnn.training.distribution.sharding import make_sharding
from kerascnn.training.trainer.backend import Array, Losses, StepParts


class JaxBackend:
    """Runs many steps in one call of a ``jax.jit`` function."""

    xla = True

    def __init__(self, parts: StepParts, devices: int) -> None:
        self._model, self._optimizer = parts.model, parts.optimizer
        self._loss, self._batch_size, self._averages = parts.loss, parts.batch_size, parts.averages
        self._where = make_sharding(devices)
        self._variables = (
            list(parts.model.trainable_variables),
            list(parts.model.non_trainable_variables),
            list(parts.optimizer.variables),
            list(parts.averages.variables) if parts.averages else [],
        )
        # On a CPU, XLA's convolutions are not threaded inside a loop, which would gain nothing
        # there.
        self._loops = jax.default_backend() != "cpu"
        # Donated: the new weights and moments reuse the memory of the old ones, without a copy.
        self._many_steps = jax.jit(self._steps, donate_argnums=0)

    def put(self, pictures: Array, labels: Array) -> Any:
        """Copy pictures and labels to the device."""
        return self._where.put(np.asarray(pictures)), self._where.put(np.asarray(labels))

    def broadcast(self, steps: int) -> int:
        """Return the first process's number of steps per call."""
        return self._where.broadcast(steps)

    def run(
        self, data: Any, order: Array, start: int, stop: int, draws: Draws | None = None
    ) -> tuple[Losses, Losses]:
        """Run the steps ``range(start, stop)``."""
        put, local_copy = self._where.put, self._where.local_copy
        state = tuple([put(variable.value) for variable in part] for part in self._variables)
        empty = np.zeros(len(order) // self._batch_size, np.float32)
        losses, right = put(empty), put(empty)
        bounds = [(start, stop)] if self._loops else [(n, n + 1) for n in range(start, stop)]
        for bound in bounds:
            carry = state, losses, right
            state, losses, right = self._many_steps(carry, *data, order, *bound, draws)
            self._where.wait_for(losses)
        # Before anything blocks: the old values were donated, and Ctrl-C may interrupt.
        for part, values in zip(self._variables, state, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(local_copy(value))
        return np.asarray(local_copy(losses))[start:stop], np.asarray(local_copy(right))[start:stop]

    def _steps(
        self, carry: Any, pictures: Any, labels: Any, order: Any, start: Any, stop: Any, draws: Any
    ) -> Any:
        def body(step: Any, carry: Any) -> Any:
            state, losses, right = carry
            # The pictures of a step are gathered on the device, so no step waits for the host.
            chosen = lax.dynamic_slice_in_dim(order, step * self._batch_size, self._batch_size)
            chosen = self._where.shard(chosen)
            batch = self._where.shard(pictures[chosen]), self._where.shard(labels[chosen])
            drawn = None if draws is None else draws.at(step)
            state, loss, count = self._step(state, *batch, drawn)
            return state, losses.at[step].set(loss), right.at[step].set(count)

        return lax.fori_loop(start, stop, body, carry) if self._loops else body(start, carry)

    def _step(self, state: Any, pictures: Any, labels: Any, draws: Any) -> Any:
        trainable, others, moments, averages = state
        share = None
        if draws is not None:  # otherwise the input may be features, without an image size
            pictures, share = changed(pictures, draws, self._model.input_shape[1])
        objective = partial(self._scaled_loss, others, moments, pictures, labels, share)
        (_, (loss, right, others)), gradients = jax.value_and_grad(objective, has_aux=True)(
            trainable
        )
        trainable, moments = self._optimizer.stateless_apply(moments, gradients, trainable)
        if self._averages:
            averages = self._averages.updated(averages, trainable, others)
        return (list(trainable), list(others), list(moments), averages), loss, right

    def _scaled_loss(
        self, others: Any, moments: Any, pictures: Any, labels: Any, share: Any, trainable: Any
    ) -> Any:
        logits, others, added = self._model.stateless_call(
            trainable, others, pictures, training=True, return_losses=True
        )
        loss, right = self._loss(logits, labels, share)
        # With mixed_float16 the loss scale is one of the optimizer's variables, and changes.
        mapping = zip(self._optimizer.variables, moments, strict=True)
        with keras.StatelessScope(state_mapping=list(mapping)):
            scaled = self._optimizer.scale_loss(sum(added, loss))
        return scaled, (loss, right, others)
