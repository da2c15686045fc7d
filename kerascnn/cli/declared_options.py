"""Builds Click options from the fields of a dataclass that declare them.

Knows: how a declared option becomes a Click option. Does not know the meaning of any option.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any

import click

from kerascnn.option_kinds import Flag, Kind, Several
from kerascnn.options import KEY, Option, help_text, options_of


def grouped(configuration: Any, more: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the declared options and ``more`` parameters of each heading, in order."""
    declared = options_of(configuration).items()
    return {
        heading: (*(name for name, (option, _) in declared if option.group == heading), *others)
        for heading, others in more.items()
    }


def option_flag(name: str, its_field: Field[Any]) -> str:
    """Return the flag of a field: ``--batch-size``, ``--calibration/--no-calibration``."""
    words, kind = name.replace("_", "-"), its_field.metadata[KEY].kind
    # A flag that is on by default needs a form that turns it off.
    either = its_field.default is True or (isinstance(kind, Flag) and kind.both)
    return f"--{words}/--no-{words}" if either else f"--{words}"


def declared_option(configuration: Any, name: str, *short: str, **settings: Any) -> Any:
    """Return the option of a field, with further settings for Click."""
    declared, its_field = options_of(configuration)[name]
    return click.option(
        option_flag(name, its_field), *short, **_settings(declared, its_field.default) | settings
    )


def converted_option(configuration: Any, name: str, **settings: Any) -> Any:
    """Return the option of a field, converted by Click rather than by the configuration."""
    kind = options_of(configuration)[name][0].kind
    typed = {} if kind.choices or isinstance(kind, Flag) else {"type": DeclaredType(kind)}
    return declared_option(configuration, name, **typed | settings)


def _settings(declared: Option, default: Any) -> dict[str, Any]:
    kind = declared.kind
    # The help contains the default already.
    settings: dict[str, Any] = {"help": help_text(declared, default), "default": default,
                                "show_default": False}  # fmt: skip
    if isinstance(kind, Flag):
        return {**settings, "is_flag": True}
    settings["metavar"] = kind.metavar
    if isinstance(kind, Several):
        return {**settings, "multiple": True}
    # Numbers stay text, because the configuration checks them, with a single error message.
    return {**settings, "type": click.Choice(kind.choices) if kind.choices else click.STRING}


class DeclaredType(click.ParamType):  # type: ignore[type-arg] # not generic in older versions
    """Click's type for values of a declared kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.name = kind, kind.metavar or "value"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert a value, or fail with the expected ones."""
        try:
            return self.kind.read(value)
        except ValueError:
            self.fail(f"{value!r}; expected {self.kind.expected}.", param, ctx)
