"""More epochs for a network that has not learned its training pictures by the last one.

Knows: when a run is extended, and by how much. Does not know: files, the loop over epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from kerascnn.language import sentence
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import Pack
from kerascnn.training.distribution.processes import broadcast_from_first
from kerascnn.training.evaluation.final import SAMPLE
from kerascnn.training.networks.from_pixels import at_size, predict_logits
from kerascnn.training.phases import Phase, total_epochs
from kerascnn.training.trainer.time_limit import with_epochs

LEARNED = 0.95
"""Share of the training pictures from which more epochs are not expected to help."""

TIMES = 2
"""Factor on the epochs of the last phase. The learning rate continues as in a schedule of that
length: at half of its peak."""


def has_learned(model: keras.Model, train: Pack) -> bool:
    """Return whether a model classifies its training pictures, which are not augmented for it."""
    sample = np.linspace(0, len(train) - 1, min(len(train), SAMPLE)).astype(np.int64)
    logits = predict_logits(model, at_size(train.images[sample], model.input_shape[1]))
    right = float((logits.argmax(1) == train.labels[sample]).mean())
    # Rounding differs between machines, and all must agree.
    (right,) = broadcast_from_first(right)
    return right >= LEARNED


def extended(config: TrainConfig, phases: Sequence[Phase], progress: Callback) -> TrainConfig:
    """Return a configuration with more epochs in the last phase, and say so."""
    *others, last = (phase.epochs for phase in phases)
    config = replace(with_epochs(config, phases, [*others, TIMES * last]), extend="no")
    reason = sentence("the training pictures are not learned yet")
    progress.on_choice("epochs", str(total_epochs(config)), reason)
    return config
