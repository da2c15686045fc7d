"""The exponential moving average (EMA) of a network's weights.

Knows: what is averaged, how, and that averages and weights are swapped. Does not know: when
(:mod:`kerascnn.training.trainer.loop`), how a step runs on a backend.

During an epoch the network holds the trained weights, and :class:`ExponentialMovingAverage` their
averages (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046). Between epochs they are
swapped: the averages are validated, kept as the best model and stored as the network of a
checkpoint, and the checkpoint also holds the trained weights, so that a resumed run is
bit-identical.

Keras' own ``use_ema`` averages weights alone. The statistics of BatchNormalization belong to the
weights that they were measured with, so they are averaged too: with those of the last step, the
average predicts like an untrained network early in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

WARM_UP_STEPS = 9
"""Warm-up of the average: its momentum is at most n / (n + 9) after n steps, so that it covers
about a ninth of them, and the first ones are soon forgotten. As in TensorFlow's
``tf.train.ExponentialMovingAverage``: (1 + n) / (10 + n), with n from 0."""


class ExponentialMovingAverage:
    """Moving averages of a network's weights and of its BatchNormalization statistics.

    Args:
        model: Model to train, with its frozen weights already frozen.
        momentum: Momentum of the average, above 0 and below 1.
        accumulate: Batches per optimizer step; the average is updated with the last of them.

    Attributes:
        variables: The averages, and the number of batches so far.
    """

    def __init__(self, model: keras.Model, momentum: float, accumulate: int = 1) -> None:
        self._momentum, self._accumulate = momentum, accumulate
        statistics = _statistics(model)
        others = [id(variable) for variable in model.non_trainable_variables]
        self._places = [others.index(id(variable)) for variable in statistics]
        self._learned = [*model.trainable_variables, *statistics]
        self._averages = [
            keras.Variable(keras.ops.copy(variable.value), trainable=False, dtype=variable.dtype)
            for variable in self._learned
        ]
        self._batches = keras.Variable(np.int32(0), trainable=False, dtype="int32")
        self.variables = [*self._averages, self._batches]

    def updated(
        self, averages: Sequence[Any], trainable: Sequence[Any], others: Sequence[Any]
    ) -> Any:
        """Return the averages after a batch, for use in a compiled step; assigns nothing."""
        *before, batches = averages
        learned = [*trainable, *(others[place] for place in self._places)]
        share = self._share(batches + 1)
        after = [old + share * (new - old) for old, new in zip(before, learned, strict=True)]
        return [*after, batches + 1]

    def _share(self, batches: Any) -> Any:
        """Return the weight of the new values after so many batches: 1 minus the momentum, or 0."""
        earlier = keras.ops.cast(batches // self._accumulate - 1, "float32")
        momentum = keras.ops.minimum(self._momentum, earlier / (earlier + WARM_UP_STEPS))
        return keras.ops.where(batches % self._accumulate == 0, 1 - momentum, 0.0)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Swap averages and weights, and swap them back at the end of the ``with`` block."""
        self.exchange_weights()
        try:
            yield
        finally:
            self.exchange_weights()

    def exchange_weights(self) -> None:
        """Swap the averages and the network's weights."""
        for learned, average in zip(self._learned, self._averages, strict=True):
            values = [np.array(keras.ops.convert_to_numpy(one.value)) for one in (learned, average)]
            learned.assign(values[1])
            average.assign(values[0])


def _statistics(model: keras.Model) -> list[keras.Variable]:
    found = [
        variable
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        for variable in (layer.moving_mean, layer.moving_variance)
    ]
    return list({id(variable): variable for variable in found}.values())
