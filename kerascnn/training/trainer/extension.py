"""More epochs for a network that has not learned its training pictures by the last one.

Knows: when a run is extended, and by how much. Does not know: files, the loop over epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kerascnn.language import sentence
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.config import TrainConfig
from kerascnn.training.phases import Phase, total_epochs
from kerascnn.training.trainer.time_limit import with_epochs

LEARNED = 0.97
"""Training accuracy, on augmented pictures, from which more epochs are not expected to help much:
below it they gained 3.9 points on average, above it 1.1 (docs/experiments.md)."""

TIMES = 2
"""Factor on the epochs of the last phase. The learning rate continues as in a schedule of that
length: at half of its peak."""


def needs_more(config: TrainConfig, phase: Phase, last: EpochRecord) -> bool:
    """Return whether the last phase is to be extended, after what was planned as its last epoch."""
    return config.extend == "yes" and not phase.is_fit and last.accuracy < LEARNED


def extended(config: TrainConfig, phases: Sequence[Phase], progress: Callback) -> TrainConfig:
    """Return a configuration with more epochs in the last phase, and say so."""
    *others, last = (phase.epochs for phase in phases)
    config = replace(with_epochs(config, phases, [*others, TIMES * last]), extend="no")
    reason = sentence("the training accuracy is below 97 %")
    progress.on_choice("epochs", str(total_epochs(config)), reason)
    return config
