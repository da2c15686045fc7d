"""Options of ``kerascnn train``: made from the fields of its configuration.

Knows: what the command has beside them. Does not know any option's meaning.
"""

from __future__ import annotations

from typing import Any

from kerascnn.cli.base import add_options
from kerascnn.cli.completion import complete_networks, complete_scopes
from kerascnn.cli.declared_options import declared_option, grouped
from kerascnn.cli.shared import SquareSize
from kerascnn.options import options_of

# What is imported here is light: it needs neither Keras nor the rest of the training half.
from kerascnn.training.config import (  # noqa: TID253
    DEVICE,
    GROUPS,
    OUTPUT,
    SCHEDULE,
    TrainConfig,
)

ARGUMENT = "data"
"""The field that the command takes without a name."""

_OF_THE_COMMAND = {
    SCHEDULE: ("recipe", "find_lr", "plot"),
    DEVICE: ("distributed", "processes", "rank"),
    OUTPUT: ("resume", "overwrite", "config", "dump_config", "as_json"),
}
"""What the command has beside the configuration, by heading."""

_SETTINGS: dict[str, dict[str, Any]] = {
    "image_size": {"type": SquareSize()},
    "model": {"shell_complete": complete_networks},
    "trainable": {"shell_complete": complete_scopes},
}
"""Where the command line understands more than the configuration does, and explains more; and what
Tab offers where a value is neither a choice nor a path."""


def groups() -> dict[str, tuple[str, ...]]:
    """Return the headings of ``kerascnn train --help`` and the parameters under each."""
    return grouped(TrainConfig, {group: _OF_THE_COMMAND.get(group, ()) for group in GROUPS})


def train_option(name: str) -> Any:
    """Return one of the options, for another command that has it too."""
    return declared_option(TrainConfig, name, **_SETTINGS.get(name, {}))


config_options = add_options(
    *(train_option(name) for name in options_of(TrainConfig) if name != ARGUMENT)
)
"""Add an option for each field of the configuration, in the order in which they stand there."""
