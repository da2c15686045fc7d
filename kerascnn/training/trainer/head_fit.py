"""The fit of a head by logistic regression, in place of a trainer.

Knows: the labels and weights of the fit, and how its solution gets into the network. Does not know:
how it is found (:mod:`.logistic_regression`), the loop over epochs.

With few pictures, a linear classifier with the right penalty is better than one trained by gradient
descent on the same features; and later fine-tuning distorts the features less when it starts from
such a head (Kumar et al. 2022, https://arxiv.org/abs/2202.10054).
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import Pack
from kerascnn.training.distribution.processes import broadcast_state
from kerascnn.training.networks.blocks import head_of
from kerascnn.training.trainer.backend import Losses
from kerascnn.training.trainer.logistic_regression import fit_logistic_regression, log_softmax
from kerascnn.training.trainer.loss import balanced_weights


class HeadFit:
    """Fits a head to features in one epoch of one step.

    Args:
        model: Head, from features to logits; it shares its layers with the network.
        config: Configuration of the run, for label smoothing, class weights and seed.
        progress: Its ``on_choice`` is called with the penalty.
    """

    steps = 1
    resident, xla, averages = True, False, None

    def __init__(
        self, model: keras.Model, core: keras.Model, pack: Pack, config: TrainConfig,
        progress: Callback,
    ) -> None:  # fmt: skip
        self.model, self.batch_size = model, len(pack)
        self._core, self._pack, self._config, self._progress = core, pack, config, progress

    def learning_rate(self) -> float:
        """Return 0: a fit has no learning rate."""
        return 0.0

    def epoch(self, _seed: int, _epoch: int) -> Iterator[tuple[int, Losses, Losses]]:
        """Fit the head, and yield like :meth:`.Trainer.epoch`, as one step."""
        self._progress.on_work("fitting the head", 0, 0)
        features, labels = self._pack.images.astype(np.float32, copy=False), self._pack.labels
        classes, smoothing = self._core.output_shape[-1], self._config.label_smoothing
        targets = np.eye(classes)[labels] * (1 - smoothing) + smoothing / classes
        weights = np.ones(len(labels))
        if self._config.class_weights == "balanced":
            weights = balanced_weights(labels, classes)[labels].astype(np.float64)
        found = fit_logistic_regression(features, labels, targets, weights, self._config.seed)
        head = head_of(self._core)
        head.kernel.assign(found.kernel)
        head.bias.assign(found.bias)
        broadcast_state(self._core, None)  # rounding differs between machines
        self._progress.on_choice(
            "head",
            f"logistic regression, penalty {found.penalty:.3g}",
            f"by cross-validation, in which {found.top1:.1%} of the training pictures are right",
        )
        logits = (features @ found.kernel + found.bias).astype(np.float64)
        loss = -(weights * (targets * log_softmax(logits)).sum(1)).mean()
        yield 1, np.array([loss]), np.array([(logits.argmax(1) == labels).sum()])
