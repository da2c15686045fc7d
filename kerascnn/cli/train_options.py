"""Options of ``kerascnn train``: made from the fields of its configuration.

Knows: how a declared option becomes one of Click's. Does not know any option's meaning.
"""

from __future__ import annotations

from dataclasses import Field
from typing import Any

import click

from kerascnn.cli.base import add_options
from kerascnn.cli.completion import complete_networks, complete_scopes
from kerascnn.cli.shared import SquareSize

# What is imported here is light: it needs neither Keras nor the rest of the training half.
from kerascnn.training.config import (  # noqa: TID253
    DEVICE,
    GROUPS,
    OUTPUT,
    SCHEDULE,
    TrainConfig,
)
from kerascnn.training.options import (  # noqa: TID253
    Flag,
    Option,
    Several,
    help_text,
    options_of,
)

ARGUMENT = "data"
"""The field that the command takes without a name."""

_OF_THE_COMMAND = {
    SCHEDULE: ("recipe", "find_lr", "plot"),
    DEVICE: ("distributed", "processes", "rank"),
    OUTPUT: ("resume", "overwrite", "config", "dump_config", "as_json"),
}
"""What the command has beside the configuration, by heading."""


_TYPES = {"image_size": SquareSize()}
"""Where the command line understands more than the configuration does, and explains more."""

_COMPLETED = {"model": complete_networks, "trainable": complete_scopes}
"""What Tab offers where a value is neither a choice nor a path."""


def groups() -> dict[str, tuple[str, ...]]:
    """Return the headings of ``kerascnn train --help`` and the parameters under each."""
    declared = options_of(TrainConfig).items()
    return {
        group: (
            *(name for name, (option, _) in declared if option.group == group),
            *_OF_THE_COMMAND.get(group, ()),
        )
        for group in GROUPS
    }


def train_option(name: str) -> Any:
    """Return one of the options, for another command that has it too."""
    declared, its_field = options_of(TrainConfig)[name]
    return click.option(option_flag(name, its_field), **_settings(declared, its_field))


def option_flag(name: str, its_field: Field[Any]) -> str:
    """Return the flag of a field: ``--batch-size``, ``--calibration/--no-calibration``."""
    words = name.replace("_", "-")
    # What is on without an option needs one to switch it off.
    return f"--{words}/--no-{words}" if its_field.default is True else f"--{words}"


def _settings(declared: Option, its_field: Field[Any]) -> dict[str, Any]:
    kind, default = declared.kind, its_field.default
    settings: dict[str, Any] = {"help": help_text(declared, default)}
    if its_field.name in _COMPLETED:
        settings["shell_complete"] = _COMPLETED[its_field.name]
    if isinstance(kind, Flag):
        return {**settings, "is_flag": True, "default": default}
    if isinstance(kind, Several):
        return {**settings, "multiple": True, "metavar": kind.metavar}
    # Numbers come as text, and the configuration reads them: one check, one wording.
    if its_field.name in _TYPES:
        return {**settings, "type": _TYPES[its_field.name], "metavar": kind.metavar}
    of_type = click.Choice(kind.choices) if kind.choices else click.STRING
    return {**settings, "type": of_type, "default": default, "metavar": kind.metavar}


config_options = add_options(
    *(train_option(name) for name in options_of(TrainConfig) if name != ARGUMENT)
)
"""Add an option for each field of the configuration, in the order in which they stand there."""
