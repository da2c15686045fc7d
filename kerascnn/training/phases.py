"""The phases of a training run: which blocks learn, for how long, how fast.

Knows: ``SCOPE:EPOCHS[:RATE]`` and what follows when it is left out. Does not know Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kerascnn.errors import ConfigError
from kerascnn.training.networks import find_network

DEEPER = 0.1
"""Of ``--learning-rate``: what the second and later phases take when they name none. Their
blocks hold weights that are worth keeping, and the head has calmed down."""

SGD_TIMES = 10
"""What SGD takes of a network's own learning rate, which was found for AdamW."""

BASELINE = "cnn"
"""What ``--model auto`` stands for until the data are known, and with small pictures."""

LEAST_EPOCHS = 10
"""What ``--epochs auto`` gives at least, and what it stands for until the data are known."""


@dataclass(frozen=True)
class Phase:
    """A part of a run.

    Attributes:
        scope: Which blocks learn; see :func:`kerascnn.training.networks.blocks.set_trainable`.
        epochs: Passes over the training pictures.
        learning_rate: The highest, after a warm-up of its own.
    """

    scope: str
    epochs: int
    learning_rate: float


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
        """``SCOPE:EPOCHS[:RATE]``, one a phase."""

    @property
    def learning_rate(self) -> float | None:
        """The highest; None: the network's own."""

    @property
    def optimizer(self) -> str:
        """``adamw`` or ``sgd``."""


def phases(config: Options) -> tuple[Phase, ...]:
    """List the phases of a run.

    Args:
        config: ``phase``, or else ``trainable`` and ``epochs``.

    Returns:
        At least one.

    Raises:
        ConfigError: A phase that is not ``SCOPE:EPOCHS`` or ``SCOPE:EPOCHS:RATE``.
    """
    rate = highest_rate(config)
    if not config.phase:
        epochs = LEAST_EPOCHS if isinstance(config.epochs, str) else config.epochs
        return (Phase(config.trainable, epochs, rate),)
    later = rate * DEEPER
    return tuple(
        _parse(text, later if number else rate) for number, text in enumerate(config.phase)
    )


def highest_rate(config: Options) -> float:
    """Give the learning rate that was asked for, or the network's own."""
    if config.learning_rate is not None:
        return config.learning_rate
    times = SGD_TIMES if config.optimizer == "sgd" else 1
    name = BASELINE if config.model == "auto" else config.model
    return find_network(name).learning_rate * times


def total_epochs(config: Options) -> int:
    """Count the epochs of all phases of a run."""
    return sum(phase.epochs for phase in phases(config))


def _parse(text: str, rate: float) -> Phase:
    parts = text.split(":")
    words = 2 if parts[0] == "from" else 1
    scope, numbers = ":".join(parts[:words]), parts[words:]
    try:
        epochs = int(numbers[0])
        rate = float(numbers[1]) if len(numbers) > 1 else rate
    except (ValueError, IndexError) as error:
        raise _wrong(text) from error
    if not scope or len(numbers) > 2 or epochs < 1 or not 0 < rate < 100:
        raise _wrong(text)
    return Phase(scope, epochs, rate)


def _wrong(text: str) -> ConfigError:
    return ConfigError(
        f"phase {text!r} is not SCOPE:EPOCHS or SCOPE:EPOCHS:RATE. "
        "Expected for example head:3, then from:conv5:5 or from:conv5:5:0.0001."
    )
