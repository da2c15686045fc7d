"""Re-estimation of BatchNormalization's moving statistics before a network is evaluated or kept.

Knows: "precise BatchNorm" (Wu and Johnson 2021, https://arxiv.org/abs/2105.07576). Does not know:
when a network is evaluated (:mod:`kerascnn.training.trainer.loop`).

The moving averages lag behind the weights, and cover only about the last ten batches. After few or
small batches they are so far off that a network with 96 % accuracy in training mode may have 30 %
in inference mode.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerascnn.card import Normalization
from kerascnn.training.data.pack import Pack
from kerascnn.training.distribution.processes import broadcast_from_first
from kerascnn.training.networks.blocks import flat
from kerascnn.training.networks.from_pixels import at_size, from_pixels, max_batch_size
from kerascnn.training.networks.replaced import replaced

FEW_STEPS = 200
"""Steps per epoch below which statistics are re-estimated. In longer epochs the moving averages
over the last batches are as good, and free."""

SAMPLE = 1024
"""Maximum number of training pictures for the estimate: Wu and Johnson find a thousand to be
enough."""

Batches = list[npt.NDArray[np.float64]]


class PreciseBatchNorm:
    """Estimates the statistics of the BatchNormalization layers that are not frozen.

    Args:
        core: Network from normalized pixels to logits, with its frozen layers set.
    """

    def __init__(
        self, core: keras.Model, normalization: Normalization, pack: Pack, seed: int
    ) -> None:
        self._layers = moving(core)
        self._model = from_pixels(core, normalization)
        self._run = _compiled(self._model, core.input_shape[1])
        most = max_batch_size(pack.images.shape[1:])
        chosen = np.random.default_rng(seed).permutation(len(pack))[:SAMPLE]
        calls = -(-len(chosen) // most)
        # Equal shapes: each new one would be compiled again.
        size = len(chosen) // calls
        self._pictures = pack.images
        self._calls = [np.sort(chosen[n * size : (n + 1) * size]) for n in range(calls)]

    def estimate(self) -> None:
        """Set the layers' statistics to those of the sampled pictures under the current weights."""
        found = [self._statistics(self._pictures[chosen]) for chosen in self._calls]
        for number, layer in enumerate(self._layers):
            means = np.stack([call[2 * number] for call in found])
            variances = np.stack([call[2 * number + 1] for call in found])
            # Total variance: within the calls plus between them.
            _assign(layer.moving_mean, means.mean(axis=0))
            _assign(layer.moving_variance, variances.mean(axis=0) + means.var(axis=0))

    def _statistics(self, pictures: npt.NDArray[np.uint8]) -> Batches:
        """Return the batch mean and variance of each layer, alternating."""
        model = self._model
        with _batch_statistics_only(model, self._layers):
            after = self._run(
                [variable.value for variable in model.trainable_variables],
                [variable.value for variable in model.non_trainable_variables],
                pictures,
            )
        places = {id(one): place for place, one in enumerate(model.non_trainable_variables)}
        wanted = [
            one for layer in self._layers for one in (layer.moving_mean, layer.moving_variance)
        ]
        return [
            np.asarray(keras.ops.convert_to_numpy(after[places[id(one)]]), np.float64)
            for one in wanted
        ]


def moving(core: keras.Model) -> list[keras.layers.BatchNormalization]:
    """List the BatchNormalization layers that are not frozen."""
    found = [one for one in flat(core) if isinstance(one, keras.layers.BatchNormalization)]
    return [layer for layer in found if layer.trainable]


def _assign(variable: keras.Variable, value: npt.NDArray[np.float64]) -> None:
    variable.assign(np.array(broadcast_from_first(*value.tolist()), np.float32))


def _compiled(model: keras.Model, size: int) -> Callable[..., list[Any]]:
    """Compile a function that returns the non-trainable variables after a batch."""

    def run(trainable: Any, others: Any, pictures: Any) -> Any:
        pictures = at_size(pictures, size)
        return model.stateless_call(trainable, others, pictures, training=True)[1]

    if keras.config.backend() == "jax":
        import jax

        compiled: Callable[..., list[Any]] = jax.jit(run)
        return compiled
    import tensorflow as tf

    traced: Callable[..., list[Any]] = tf.function(run, autograph=False)
    return traced


def _batch_statistics_only(
    model: keras.Model, normalizing: list[keras.layers.BatchNormalization]
) -> AbstractContextManager[None]:
    """Use the statistics of the current batch alone, without dropout, while a block runs.

    Functions compiled in the block keep this; the training steps are compiled elsewhere.
    """
    momenta = {(layer, "momentum"): 0.0 for layer in normalizing}
    rates = {(layer, "rate"): 0.0 for layer in flat(model) if getattr(layer, "rate", None)}
    return replaced(momenta | rates)
