"""The phases of a training run: which blocks learn, for how long, how fast.

Knows: ``SCOPE:EPOCHS[:RATE]`` and what follows when it is left out. Does not know Keras.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from kerascnn.errors import ConfigError
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.networks import Network, find_network

DEEPER = 0.1
"""Of ``learning_rate``: what the second and later phases take when they name none. Their
blocks hold weights that are worth keeping, and the head has calmed down."""

SGD_TIMES = 10
"""What SGD takes of a network's own learning rate, which was found for AdamW."""

BASELINE = "cnn"
"""What ``model`` ``auto`` stands for until the data are known, and with small pictures."""

FIT_HEAD = "head:fit"
"""The phase in which the head is not trained but fitted, by regularized logistic regression."""

MOST_TO_FIT, MOST_CLASSES_TO_FIT, MOST_ANSWERS_TO_FIT = 20_000, 100, 200_000
"""Pictures, classes, and the product of the two: what a head is fitted to in at most 20 s of
processor time and 1 GB, by its 1,280 features. A head of more is trained as well by steps."""

LEAST_EPOCHS = 10
"""What ``epochs`` ``auto`` gives at least, and what it stands for until the data are known."""


@dataclass(frozen=True)
class Phase:
    """A part of a run.

    Attributes:
        scope: Blocks to train; see :func:`kerascnn.training.networks.blocks.set_trainable`.
        epochs: Passes over the training pictures; 1 where the head is fitted.
        learning_rate: The highest, after a warm-up of its own; 0 where the head is fitted.
    """

    scope: str
    epochs: int
    learning_rate: float

    @property
    def is_fit(self) -> bool:
        """Whether this is :data:`FIT_HEAD`."""
        return self.learning_rate == 0

    def written(self, epochs: int) -> str:
        """Write it as it stands in a configuration, with other epochs unless the head is fitted."""
        return FIT_HEAD if self.is_fit else f"{self.scope}:{epochs}:{self.learning_rate!r}"


class Options(Protocol):
    """The options that phases follow from, as :class:`kerascnn.training.TrainConfig` has them."""

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
        """``SCOPE:EPOCHS[:RATE]`` or ``head:fit``, one a phase."""

    @property
    def learning_rate(self) -> float | None:
        """The highest; None: the network's own."""

    @property
    def optimizer(self) -> str:
        """``adamw`` or ``sgd``."""


def phases(config: Options, network: Network | None = None) -> tuple[Phase, ...]:
    """List the phases of a run.

    Args:
        config: ``phase``, or else ``trainable`` and ``epochs``.
        network: The row of its network; None: looked up.

    Raises:
        ConfigError: A phase that is not ``SCOPE:EPOCHS``, ``SCOPE:EPOCHS:RATE`` or ``head:fit``.
    """
    peak = highest_rate(config, network)
    usual = [peak, *[peak * DEEPER] * len(config.phase)]
    return tuple(
        Phase(scope, epochs, default if rate is None else rate)
        for (scope, epochs, rate), default in zip(lengths(config), usual, strict=False)
    )


def lengths(config: Options) -> tuple[tuple[str, int, float | None], ...]:
    """List the scope, the epochs and the rate (if it names one) of each phase of a run."""
    if config.phase:
        return parse_phases(config.phase)
    epochs = LEAST_EPOCHS if isinstance(config.epochs, str) else config.epochs
    return ((config.trainable, epochs, None),)


def highest_rate(config: Options, network: Network | None = None) -> float:
    """Return the learning rate that was asked for, or the network's own."""
    if config.learning_rate is not None:
        return config.learning_rate
    times = SGD_TIMES if config.optimizer == "sgd" else 1
    row = network or find_network(BASELINE if config.model == "auto" else config.model)
    return row.learning_rate * times


def total_epochs(config: Options) -> int:
    """Count the epochs of all phases of a run."""
    return sum(epochs for _, epochs, _ in lengths(config))


def validation_rank(record: EpochRecord) -> tuple[float, float]:
    """Order epochs: by validation accuracy, and among equals by validation loss."""
    return record.val_accuracy, -record.val_loss


def out_of_patience(history: Sequence[EpochRecord], done: int, patience: int | None) -> bool:
    """Return whether nothing has got better for ``patience`` epochs of this phase.

    Args:
        history: The epochs so far, at least one.
        done: How many of them belong to this phase: each phase has its own patience.
        patience: In epochs; None: without end.
    """
    if patience is None:
        return False
    best = max(history, key=validation_rank)
    return min(done, len(history) - best.epoch) >= patience


def phase_ends(
    phases: Sequence[Phase], history: Sequence[EpochRecord], patience: int | None
) -> Iterator[tuple[Phase, int, int]]:
    """Find the epochs that each phase took, from what was recorded.

    Yields:
        Phases that were begun, with their first and last epoch, from 1.
    """
    last = 0
    # The best epoch up to each: to look for it anew would take minutes for 100,000 epochs.
    best = list(accumulate(history, _better))
    for phase in phases:
        first, done = last + 1, 0
        while last < len(history) and done < phase.epochs:
            last, done = last + 1, done + 1
            if patience is not None and min(done, last - best[last - 1].epoch) >= patience:
                break
        if done:
            yield phase, first, last


def _better(one: EpochRecord, two: EpochRecord) -> EpochRecord:
    return max(one, two, key=validation_rank)


def fits_head(pictures: int, classes: int) -> bool:
    """Return whether a head for so many training pictures and classes can be fitted."""
    few = pictures <= MOST_TO_FIT and classes <= MOST_CLASSES_TO_FIT
    return few and pictures * classes <= MOST_ANSWERS_TO_FIT


def head_phase(pictures: int, classes: int, epochs: int = LEAST_EPOCHS) -> str:
    """Return the phase of the head alone: fitted, or trained where there are too many pictures."""
    return FIT_HEAD if fits_head(pictures, classes) else f"head:{epochs}"


def parse_phases(texts: Sequence[str]) -> tuple[tuple[str, int, float | None], ...]:
    """Read phases as they are written on a command line.

    Args:
        texts: ``SCOPE:EPOCHS``, ``SCOPE:EPOCHS:RATE`` or ``head:fit``.

    Returns:
        Scope, epochs and rate (None: not named; 0: the head is fitted) of each.

    Raises:
        ConfigError: A text of another form.
    """
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> tuple[str, int, float | None]:
    if text == FIT_HEAD:
        return "head", 1, 0.0
    parts = text.split(":")
    words = 2 if parts[0] == "from" else 1
    scope, numbers = ":".join(parts[:words]), parts[words:]
    try:
        epochs = int(numbers[0])
        rate = float(numbers[1]) if len(numbers) > 1 else None
    except (ValueError, IndexError) as error:
        raise _wrong(text) from error
    if not scope or len(numbers) > 2 or epochs < 1 or not (rate is None or 0 < rate < 100):
        raise _wrong(text)
    return scope, epochs, rate


def _wrong(text: str) -> ConfigError:
    return ConfigError(
        f"phase {text!r} is not SCOPE:EPOCHS, SCOPE:EPOCHS:RATE or head:fit. "
        "Expected for example head:3, then from:conv5:5 or from:conv5:5:0.0001."
    )
