"""The moving average of a network, in place of the network between two epochs.

Knows: what is averaged, how, and that averages and network change places. Does not know: when
(:mod:`kerascnn.training.trainer.loop`), nor how a step runs on a backend.

Within an epoch the network holds the weights that learn, and :class:`ExponentialMovingAverage`
their averages (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046). Between two epochs they
change places: what is validated, kept as the best model and written as the network in a checkpoint
is the average, and the checkpoint holds the weights that learn beside it, so that a resumed run has
the same bits.

Keras' own ``use_ema`` averages weights alone. The statistics of BatchNormalization belong to the
weights that they were measured with, so they are averaged too: with those of the last step, the
average of a young network answers like one that never learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

WARM_UP = 9
"""The average looks back over no more than a share of the steps so far: its momentum is at most
n / (n + 9) after n of them, as in TensorFlow's ``ExponentialMovingAverage``."""


class ExponentialMovingAverage:
    """Averages of a network's weights and of its BatchNormalization's statistics.

    Args:
        model: What is trained; its weights are frozen or not by now.
        momentum: Momentum of the average, above 0 and below 1.
        accumulate: Batches to one step of the optimizer; the average moves with the last of them.

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
        """Compute the averages after a batch; inside a compiled step, changes nothing."""
        *before, batches = averages
        learned = [*trainable, *(others[place] for place in self._places)]
        share = self._share(batches + 1)
        after = [old + share * (new - old) for old, new in zip(before, learned, strict=True)]
        return [*after, batches + 1]

    def _share(self, batches: Any) -> Any:
        """How much of the new goes in after so many batches: 1 minus the momentum, or nothing."""
        earlier = keras.ops.cast(batches // self._accumulate - 1, "float32")
        momentum = keras.ops.minimum(self._momentum, earlier / (earlier + WARM_UP))
        return keras.ops.where(batches % self._accumulate == 0, 1 - momentum, 0.0)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Swap averages and network, and swap them back at the end of the ``with`` block."""
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
