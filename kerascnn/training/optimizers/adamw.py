"""AdamW and SGD, with decoupled weight decay and per-variable learning rates.

Knows: the update of one variable. Does not know: schedules, which variables there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerascnn.training.networks.blocks import blocks, flat


class Decoupled(keras.optimizers.Optimizer):  # type: ignore[misc] # Keras has no types
    """A mix-in for decoupled weight decay and a learning-rate factor for each variable.

    The decay is part of the variable's update (Loshchilov and Hutter 2019,
    https://arxiv.org/abs/1711.05101), so the factor applies to it too, as with one parameter group
    per layer, and the schedule is evaluated once per step, not once per variable. Factors that
    decrease from the head downwards are discriminative learning rates (Howard and Ruder 2018,
    ULMFiT, https://arxiv.org/abs/1801.06146).

    Args:
        factors: Factors by ``id`` of the variable; 1 for those not in it. None: 1 for all.
    """

    def __init__(self, factors: Mapping[int, float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._factors = factors
        self._by_index: list[float] = []

    def build(self, variables: Any) -> None:
        """Look up the factors of the variables; backends later pass variables of their own."""
        super().build(variables)
        if self._factors is not None:
            self._by_index = [self._factors.get(id(variable), 1.0) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decay one variable, then update it as the optimizer does."""
        if self._by_index:
            learning_rate = learning_rate * self._by_index[self._get_variable_index(variable)]
        if self.weight_decay and self._use_weight_decay(variable):
            rate = keras.ops.cast(learning_rate, variable.dtype)
            self.assign(variable, variable * (1 - self.weight_decay * rate))
        super().update_step(gradient, variable, learning_rate)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """Return the gradients unchanged: the step has already summed them over all devices."""
        return grads_and_vars

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: :meth:`update_step` decays."""


class OnePassAdam(keras.optimizers.AdamW):  # type: ignore[misc] # Keras has no types
    """Keras' Adam with the same arithmetic, faster on TensorFlow.

    Keras runs a dozen operations per variable, which take about a quarter of the step time of a
    ResNet18 on two CPU cores (see docs/experiments.md); TensorFlow has a fused operation
    (``ResourceApplyAdam``). JAX's compiler fuses them itself.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; arguments as in :meth:`Decoupled.update_step`."""
        if keras.backend.backend() == "tensorflow":
            self._in_one_pass(gradient, variable, learning_rate)
        else:
            super().update_step(gradient, variable, learning_rate)

    def _in_one_pass(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        import tensorflow as tf

        step = tf.cast(self.iterations + 1, variable.dtype)
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


class AdamW(Decoupled, OnePassAdam):
    """Adam in one pass, with decoupled weight decay."""


class SGD(Decoupled, keras.optimizers.SGD):  # type: ignore[misc] # Keras has no types
    """Keras' SGD, with decoupled weight decay."""


def block_factors(model: keras.Model, decay: float) -> dict[int, float]:
    """Return the learning-rate factor of each variable of a network, by its ``id``.

    Args:
        model: Network from normalized pixels to logits.
        decay: Factor from one block to the next, from the head (1) downwards; above 0, at most 1.
    """
    depth = {
        name: number
        for number, block in enumerate(reversed(blocks(model)))
        for name in block.layers
    }
    return {
        id(weight): decay ** depth[layer.name] for layer in flat(model) for weight in layer.weights
    }
