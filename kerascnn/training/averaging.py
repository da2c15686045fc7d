"""The moving average of the weights, in place of the weights between two epochs.

Knows: that an optimiser keeps averages, and that they change places with the weights. Does not
know: when (:mod:`kerascnn.training.loop`).

Within an epoch the network holds the weights that learn, and the optimiser their averages
(Polyak and Juditsky 1992, https://doi.org/10.1137/0330046). Between two epochs they change places:
what is validated, kept as the best model and written as the network in a checkpoint is the average,
and the checkpoint's optimiser holds the weights that learn, so that a run goes on bit by bit.
"""

from __future__ import annotations

import keras
import numpy as np


def change_places(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Put the averages where the weights are, and the weights where the averages are.

    Args:
        model: What is trained.
        optimizer: Built for it; one that keeps no averages leaves everything as it is.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of float16's loss scaling
    if not inner.use_ema:
        return
    pairs = zip(model.trainable_variables, inner._model_variables_moving_average, strict=True)
    for weight, average in pairs:
        values = [np.array(keras.ops.convert_to_numpy(one.value)) for one in (weight, average)]
        weight.assign(values[1])
        average.assign(values[0])
