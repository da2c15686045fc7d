"""Options of ``kerascnn train``, built from the fields of its configuration.

Knows: the further options of the command. Does not know the meaning of any option.
"""

from __future__ import annotations

from typing import Any

from kerascnn.cli.base import add_options
from kerascnn.cli.declared_options import declared_option, grouped
from kerascnn.cli.shared import SquareSize, complete_networks, complete_scopes
from kerascnn.options import options_of

# These imports are light: they need neither Keras nor the rest of the training half.
from kerascnn.training.config import (  # noqa: TID253
    DEVICE,
    GROUPS,
    OUTPUT,
    SCHEDULE,
    TrainConfig,
)

ARGUMENT = "data"
"""The field that is a positional argument."""

_COMMAND_OPTIONS = {
    SCHEDULE: ("recipe", "find_lr", "plot"),
    DEVICE: ("distributed", "processes", "rank"),
    OUTPUT: ("resume", "overwrite", "config", "dump_config", "as_json"),
}
"""Parameters of the command that are not in its configuration, by heading."""

_SETTINGS: dict[str, dict[str, Any]] = {
    "image_size": {"type": SquareSize()},
    "model": {"shell_complete": complete_networks},
    "trainable": {"shell_complete": complete_scopes},
}
"""Click settings of options whose syntax on the command line is richer than in the configuration,
and shell completion for values that are neither choices nor paths."""


def groups() -> dict[str, tuple[str, ...]]:
    """Return the headings of ``kerascnn train --help`` and the parameters under each."""
    return grouped(TrainConfig, {group: _COMMAND_OPTIONS.get(group, ()) for group in GROUPS})


def train_option(name: str) -> Any:
    """Return one of the options, also for other commands that share it."""
    return declared_option(TrainConfig, name, **_SETTINGS.get(name, {}))


config_options = add_options(
    *(train_option(name) for name in options_of(TrainConfig) if name != ARGUMENT)
)
"""Add an option for each field of the configuration, in its order."""
