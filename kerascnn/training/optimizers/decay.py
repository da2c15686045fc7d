"""Decoupled weight decay, as a part of the update of each variable; SGD with it.

Knows: the decay of one variable. Does not know: which variables there are, schedules.
"""

from __future__ import annotations

from typing import Any

import keras


class DecayInStep(keras.optimizers.Optimizer):  # type: ignore[misc] # Keras has no types
    """Decays weights at the rate that the update is given, after whatever multiplied it.

    So a rate of its own for a variable holds for its decay too, and the schedule is worked out
    once a step, not once a variable. Loshchilov and Hutter 2019,
    https://arxiv.org/abs/1711.05101.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decay one variable, and then update it as the optimiser does.

        Args:
            gradient: Of the loss, shaped as the variable.
            variable: What learns.
            learning_rate: Scalar.
        """
        if self.weight_decay and self._use_weight_decay(variable):
            rate = keras.ops.cast(learning_rate, variable.dtype)
            self.assign(variable, variable * (1 - self.weight_decay * rate))
        super().update_step(gradient, variable, learning_rate)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """Leave gradients as they are: the step has summed them over all devices already."""
        return grads_and_vars

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: the update does."""


class SGD(DecayInStep, keras.optimizers.SGD):  # type: ignore[misc] # Keras has no types
    """Keras' SGD, with the decay of each variable in its update."""
