"""Declares options once: kind of value, help and heading.

Knows: how an error names an option. Does not know any particular option or kind of value, Keras or
Click.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from kerascnn.errors import ConfigError, one_line
from kerascnn.option_kinds import Kind, is_number

_NAME = re.compile(r"`([a-z_]+)`")
"""Name of another option in the help of an option."""

KEY = "option"
"""Key of the :class:`Option` in the metadata of a dataclass field."""


@dataclass(frozen=True)
class Option:
    """The declaration of an option."""

    kind: Kind
    # description for `--help` and the documentation, with other options in backticks, by their
    # names in Python
    help: str
    group: str
    default: str = ""  # description of the default, if the value itself is not descriptive


def option(default: Any, kind: Kind, help: str, group: str, *, without: str = "") -> Any:
    """Declare a field of a dataclass as an :class:`Option`, whose ``default`` is ``without``.

    If ``default`` is None, None is also a valid value.
    """
    return field(default=default, metadata={KEY: Option(kind, help, group, without)})


def same_option(configuration: Any, name: str, **changed: Any) -> Any:
    """Declare a field as in another dataclass; ``changed`` replaces arguments of ``field``."""
    its_field = configuration.__dataclass_fields__[name]
    return field(**{"default": its_field.default, "metadata": its_field.metadata} | changed)


def options_of(configuration: Any) -> dict[str, tuple[Option, Field[Any]]]:
    """List the fields of a dataclass that are declared as options, by name."""
    return {one.name: (one.metadata[KEY], one) for one in fields(configuration) if one.metadata}


def read_all(configuration: Any) -> None:
    """Validate and convert all options of a frozen dataclass in place, from ``__post_init__``.

    Raises:
        ConfigError: A value is invalid; the message names the option.
    """
    for name, (declared, its_field) in options_of(configuration).items():
        value = read_one(name, getattr(configuration, name), declared, its_field)
        object.__setattr__(configuration, name, value)


def read_each(configuration: Any) -> Iterator[str]:
    """Convert all options like :func:`read_all`, but yield an error for each invalid value."""
    for name, (declared, its_field) in options_of(configuration).items():
        try:
            value = read_one(name, getattr(configuration, name), declared, its_field)
        except ConfigError as error:
            yield f"`{name}`{str(error).removeprefix(name).removesuffix('.')}"
        else:
            object.__setattr__(configuration, name, value)


def read_one(name: str, value: Any, declared: Option, its_field: Field[Any]) -> Any:
    """Validate and convert the value of one option.

    Raises:
        ConfigError: The value is invalid.
    """
    if value is None and its_field.default is None:
        return None
    try:
        return declared.kind.read(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigError(
            f"{name} is {_as_typed(value)}; expected {declared.kind.expected}."
        ) from error


def _as_typed(value: Any) -> str:
    """Format a value for a message; numbers from the command line without quotation marks."""
    return value if isinstance(value, str) and is_number(value) else one_line(repr(value), 100)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else ""
    if isinstance(default, float):
        return f"{default:g}"
    return "" if default in (None, ()) else str(default)


def help_text(declared: Option, default: Any) -> str:
    """Return the help of an option with its default, using the command line's names."""
    without = declared.default or _shown(default)
    text = f"{declared.help}  [default: {without}]" if without else declared.help
    return _NAME.sub(lambda found: "--" + found[1].replace("_", "-"), text)
