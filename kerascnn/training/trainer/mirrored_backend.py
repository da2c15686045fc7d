"""Training steps on TensorFlow where several devices of a machine share each batch.

Knows: ``tf.distribute.MirroredStrategy``: every device holds the weights and takes an equal part of
the batch, and gradients are summed over all. Does not know: where the strategy is created
(:mod:`kerascnn.training.distribution.processes`), epochs, shuffling.

The result is that of a single device: crops, mixing and augmentation are applied to the whole batch
before it is split; BatchNormalization computes its statistics over all parts; dropout draws a new
mask for each part; and gradients are summed before they are clipped or accumulated.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from kerascnn.training.augmentation.batch import changed
from kerascnn.training.networks.blocks import flat
from kerascnn.training.networks.replaced import replaced
from kerascnn.training.trainer.backend import StepParts
from kerascnn.training.trainer.loss import partner_labels
from kerascnn.training.trainer.tensorflow_backend import TensorFlowBackend


class MirroredBackend(TensorFlowBackend):
    """Runs many steps in one call, each on all devices of the strategy in scope.

    Args:
        parts: Parts of a training step. Model, optimizer and this backend are created in the scope
            of the strategy; the batch size is a multiple of the number of devices.
    """

    def __init__(self, parts: StepParts) -> None:
        super().__init__(parts)
        self._strategy = tf.distribute.get_strategy()
        self._devices = self._strategy.num_replicas_in_sync
        self._prepare, self._network = _split_model(parts.model)
        # XLA cannot compile the sum over devices in the middle of this step.
        self.xla, self._one_step = False, self._step

    def _step(self, pictures: Any, labels: Any, draws: Any) -> Any:
        share = None
        if draws is not None:
            pictures, share = changed(pictures, draws, self._model.input_shape[1])
        if self._prepare is not None:
            pictures = self._prepare(pictures, training=True)
        batch: tuple[Any, ...] = (pictures, labels)
        if share is not None:
            batch = (*batch, tf.broadcast_to(share, tf.shape(labels)), partner_labels(labels))
        with synchronized(self._network), separate_random_draws(self._network):
            parts = self._strategy.run(self._replica_step, args=self._split_batch(batch))
        loss, right = (self._strategy.reduce("SUM", part, axis=None) for part in parts)
        self._average()
        return loss, right

    def _split_batch(self, batch: tuple[Any, ...]) -> Any:
        """Split each tensor over the devices."""
        size = self._batch_size // self._devices

        def part(context: Any) -> tuple[Any, ...]:
            start = context.replica_id_in_sync_group * size
            return tuple(tensor[start : start + size] for tensor in batch)

        return self._strategy.experimental_distribute_values_from_function(part)

    def _replica_step(
        self, pictures: Any, labels: Any, share: Any = None, others: Any = None
    ) -> Any:
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self._network(pictures, training=True)
            loss, right = self._loss(logits, labels, share, others)
            minimized = tf.add_n([loss, *self._model.losses]) / self._devices
            scaled = self._optimizer.scale_loss(minimized)
        gradients = tape.gradient(scaled, variables)
        summed = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
        self._optimizer.apply(summed, variables)
        return loss / self._devices, right


def _split_model(model: keras.Model) -> tuple[keras.Model | None, keras.Model]:
    """Split a model into preprocessing of the whole batch and the network each device runs."""
    names = [layer.name for layer in model.layers]
    if "prepare" not in names:  # features need no preprocessing
        return None, model
    return model.get_layer("prepare"), model.layers[-1]


def synchronized(network: keras.Model) -> AbstractContextManager[None]:
    """Synchronize BatchNormalization statistics across devices while a block runs."""
    normalizing = [one for one in flat(network) if isinstance(one, keras.layers.BatchNormalization)]
    return replaced({(layer, "synchronized"): True for layer in normalizing})


def separate_random_draws(network: keras.Model) -> AbstractContextManager[None]:
    """Give each replica its own random draws (dropout) while a block runs.

    All replicas hold the same seeds: otherwise each part of a batch would get the same mask. The
    first device draws what a single device would, and the seeds advance as without this.
    """
    found = (getattr(layer, "seed_generator", None) for layer in flat(network))
    generators = [one for one in found if isinstance(one, keras.random.SeedGenerator)]
    return replaced({(one, "next"): partial(_replica_seed, one.next) for one in generators})


def _replica_seed(draw: Callable[..., Any], ordered: bool = True) -> Any:
    """Add the replica's number to the first half of a seed; the second half counts the draws."""
    seed = draw(ordered)
    part = tf.distribute.get_replica_context().replica_id_in_sync_group
    return seed + tf.cast(tf.stack([part, 0]), seed.dtype)
