"""AdamW in as few passes over the weights as each backend can do it in.

Knows: the update of one variable. Does not know: schedules, which variables there are.
"""

from __future__ import annotations

from typing import Any

import keras

from kerascnn.training.optimizers.decay import DecayInStep


class OnePassAdam(keras.optimizers.AdamW):  # type: ignore[misc] # Keras has no types
    """Keras' Adam with the same arithmetic, made faster on TensorFlow.

    Keras writes it as a dozen operations on each variable, which take about a quarter of the time
    of a step of a ResNet18 on two CPU cores (see docs/experiments.md); TensorFlow has one operation
    that does them in one pass (``ResourceApplyAdam``). JAX' compiler joins them itself.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable.

        Args:
            gradient: Of the loss, shaped as the variable.
            variable: What learns.
            learning_rate: Scalar.
        """
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


class AdamW(DecayInStep, OnePassAdam):
    """Adam in one pass, with the decay of each variable in its update."""
