"""The phases of a training run: which blocks are trained, for how long, at which rate.

Knows: ``SCOPE:EPOCHS[:RATE]`` and its defaults. Does not know: Keras.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Protocol

from kerascnn.errors import ConfigError
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.networks import Network, find_network

DEEPER = 0.1
"""Factor on ``learning_rate`` in the second and later phases, unless they name a rate. Their blocks
hold weights that are worth keeping, and the head has been trained."""

SGD_TIMES = 10
"""Factor on a network's own learning rate for SGD; it was found for AdamW."""

BASELINE = "cnn"
"""Network of ``model`` ``auto`` until the data is known, and for small pictures."""

FIT_HEAD = "head:fit"
"""Phase in which the head is fitted by regularized logistic regression instead of trained."""

MOST_TO_FIT, MOST_CLASSES_TO_FIT, MOST_ANSWERS_TO_FIT = 20_000, 100, 200_000
"""Maximum numbers of pictures and classes, and of their product, with which a head is fitted: at
most 20 s of processor time and 1 GB, with 1,280 features. With more, training it in steps is as
good."""

LEAST_EPOCHS = 10
"""Minimum of ``epochs`` ``auto``, and its value until the data is known."""


@dataclass(frozen=True)
class Phase:
    """A part of a run.

    Attributes:
        scope: Blocks to train; see :func:`kerascnn.training.networks.blocks.set_trainable`.
        epochs: Passes over the training pictures; 1 if the head is fitted.
        learning_rate: Peak learning rate, after a warm-up of its own; 0 if the head is fitted.
        is_fit: Whether this is :data:`FIT_HEAD`.
    """

    scope: str
    epochs: int
    learning_rate: float
    is_fit: bool = False

    def written(self, epochs: int) -> str:
        """Return the phase as in a configuration, with other epochs unless the head is fitted."""
        return FIT_HEAD if self.is_fit else f"{self.scope}:{epochs}:{self.learning_rate!r}"


class Options(Protocol):
    """The options that determine the phases, as in :class:`kerascnn.training.TrainConfig`."""

    @property
    def model(self) -> str:
        """Name of the network."""

    @property
    def trainable(self) -> str:
        """Scope of a run of one phase."""

    @property
    def epochs(self) -> int | str:
        """A number or ``auto``."""

    @property
    def phase(self) -> Sequence[str]:
        """``SCOPE:EPOCHS[:RATE]`` or ``head:fit`` for each phase."""

    @property
    def learning_rate(self) -> float | None:
        """Peak learning rate; None: the network's own."""

    @property
    def optimizer(self) -> str:
        """``adamw`` or ``sgd``."""


def phases(config: Options, network: Network | None = None) -> tuple[Phase, ...]:
    """List the phases of a run.

    Args:
        config: Configuration, of which ``phase``, or else ``trainable`` and ``epochs`` are used.
        network: Row of its network; None: looked up.

    Raises:
        ConfigError: A phase is not ``SCOPE:EPOCHS``, ``SCOPE:EPOCHS:RATE`` or ``head:fit``.
    """
    return written_phases(config, highest_rate(config, network))


def written_phases(config: Options, peak: float = math.nan) -> tuple[Phase, ...]:
    """List the phases of a run; ``peak``: learning rate of the first, unless it names its own."""
    if config.phase:
        return parse_phases(config.phase, peak)
    epochs = LEAST_EPOCHS if isinstance(config.epochs, str) else config.epochs
    return (Phase(config.trainable, epochs, peak),)


def highest_rate(config: Options, network: Network | None = None) -> float:
    """Return the given peak learning rate, or the network's own."""
    if config.learning_rate is not None:
        return config.learning_rate
    times = SGD_TIMES if config.optimizer == "sgd" else 1
    row = network or find_network(BASELINE if config.model == "auto" else config.model)
    return row.learning_rate * times


def total_epochs(config: Options) -> int:
    """Count the epochs of all phases of a run."""
    return sum(one.epochs for one in written_phases(config))


def validation_rank(record: EpochRecord) -> tuple[float, float]:
    """Return a sort key of epochs: by validation accuracy, then by validation loss."""
    return record.val_accuracy, -record.val_loss


def out_of_patience(history: Sequence[EpochRecord], done: int, patience: int | None) -> bool:
    """Return whether there was no improvement for ``patience`` epochs of this phase.

    Args:
        history: The epochs so far, at least one.
        done: Number of them in this phase: each phase has its own patience.
        patience: Number of epochs; None: unlimited.
    """
    if patience is None:
        return False
    best = max(history, key=validation_rank)
    return min(done, len(history) - best.epoch) >= patience


def phase_ends(
    phases: Sequence[Phase], history: Sequence[EpochRecord], patience: int | None
) -> Iterator[tuple[Phase, int, int]]:
    """Yield the phases that have begun, with their first and last epoch, from 1.

    The last one has all epochs that are left: it may have been extended.
    """
    last = 0
    # The best epoch up to each: searching again each time would take minutes for 100,000 epochs.
    best = list(accumulate(history, partial(max, key=validation_rank)))
    for number, phase in enumerate(phases, 1):
        first, done = last + 1, 0
        while last < len(history) and (done < phase.epochs or number == len(phases)):
            last, done = last + 1, done + 1
            if patience is not None and min(done, last - best[last - 1].epoch) >= patience:
                break
        if done:
            yield phase, first, last


def fits_head(pictures: int, classes: int) -> bool:
    """Return whether a head can be fitted with so many training pictures and classes."""
    few = pictures <= MOST_TO_FIT and classes <= MOST_CLASSES_TO_FIT
    return few and pictures * classes <= MOST_ANSWERS_TO_FIT


def head_phase(pictures: int, classes: int, epochs: int = LEAST_EPOCHS) -> str:
    """Return the phase of the head alone: fitted, or trained if there are too many pictures."""
    return FIT_HEAD if fits_head(pictures, classes) else f"head:{epochs}"


def parse_phases(texts: Sequence[str], peak: float = math.nan) -> tuple[Phase, ...]:
    """Parse phases as written on a command line.

    Args:
        peak: Learning rate of the first phase, unless it names its own; NaN: not asked for.

    Raises:
        ConfigError: A text has another form.
    """
    return tuple(_parse(text, peak * DEEPER if place else peak) for place, text in enumerate(texts))


def _parse(text: str, usual: float) -> Phase:
    if text == FIT_HEAD:
        return Phase("head", 1, 0.0, is_fit=True)
    parts = text.split(":")
    words = 2 if parts[0] == "from" else 1
    scope, numbers = ":".join(parts[:words]), parts[words:]
    try:
        epochs = int(numbers[0])
        rate = float(numbers[1]) if len(numbers) > 1 else usual
    except (ValueError, IndexError) as error:
        raise _wrong(text) from error
    if not scope or epochs < 1 or numbers[2:] or (numbers[1:] and not 0 < rate < 100):
        raise _wrong(text)
    return Phase(scope, epochs, rate)


def _wrong(text: str) -> ConfigError:
    return ConfigError(
        f"phase {text!r} is not SCOPE:EPOCHS, SCOPE:EPOCHS:RATE or head:fit. "
        "Expected for example head:3, then from:conv5:5 or from:conv5:5:0.0001."
    )
