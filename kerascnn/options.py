"""Declares options once: kind of value, limits, help and heading.

Knows: how a value is validated and converted, and how an error names the option. Does not know any
particular option, Keras or Click.
"""

from __future__ import annotations

import math
import numbers
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any, Protocol

from kerascnn.errors import ConfigError, one_line

_NAME = re.compile(r"`([a-z_]+)`")
"""Name of another option in the help of an option."""

KEY = "option"
"""Key of the :class:`Option` in the metadata of a dataclass field."""


class Kind(Protocol):
    """A kind of value."""

    @property
    def expected(self) -> str:
        """Description of valid values."""

    @property
    def metavar(self) -> str | None:
        """Placeholder of the value in ``--help``; None: the choices, or nothing for a flag."""

    @property
    def choices(self) -> tuple[str, ...]:
        """Valid words, if no other values are valid."""

    def read(self, value: Any) -> Any:
        """Convert a value from the command line, JSON or Python; raises ValueError if invalid."""


@dataclass(frozen=True)
class Number:
    """A number within limits, or one of a few words.

    Attributes:
        type: int or float.
        good: Returns whether a finite number is within the limits.
        expected: Description of the limits.
        metavar: Placeholder in ``--help``.
        words: Valid words instead of a number, e.g. ``auto``.
    """

    type: type[int] | type[float]
    good: Callable[[Any], bool]
    expected: str
    metavar: str
    words: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> Any:
        """Convert a number of any library, or a text with a number."""
        if isinstance(value, str) and value in self.words:
            return value
        number = self._number(value)
        if not math.isfinite(number) or not self.good(number):
            raise ValueError(value)
        return number

    def _number(self, value: Any) -> int | float:
        if isinstance(value, str):
            return self.type(value)
        # numpy's numbers are registered with `numbers`; bool, which is an int, is refused.
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(value)
        number = float(value)
        if self.type is int and not number.is_integer():
            raise ValueError(value)
        return self.type(number)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    choices: tuple[str, ...]
    metavar: str | None = None

    @property
    def expected(self) -> str:
        """List of the words."""
        return f"one of {', '.join(self.choices)}"

    def read(self, value: Any) -> str:
        """Return the value if it is one of the words."""
        if not isinstance(value, str) or value not in self.choices:
            raise ValueError(value)
        return str(value)


@dataclass(frozen=True)
class Text:
    """Text, or a path.

    Attributes:
        expected: Description of valid values.
        metavar: Placeholder in ``--help``.
        good: Returns whether a text is valid.
    """

    expected: str
    metavar: str
    good: Callable[[str], bool] = bool
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> str:
        """Return a text, or the text of a path."""
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(text, str) or not self.good(text):
            raise ValueError(value)
        return str(text)


@dataclass(frozen=True)
class Flag:
    """A boolean.

    Attributes:
        both: Whether the command line has ``--x/--no-x``, whatever the default.
    """

    both: bool = False
    expected: str = "True or False"
    metavar: str | None = None
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> bool:
        """Accept a bool of Python or numpy, but no number or word that might mean one."""
        if type(value).__name__ not in ("bool", "bool_"):
            raise ValueError(value)
        return bool(value)


@dataclass(frozen=True)
class Either:
    """A value that one of several kinds can read."""

    kinds: tuple[Kind, ...]
    expected: str
    metavar: str
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> Any:
        """Try one kind after the other."""
        for kind in self.kinds[:-1]:
            try:
                return kind.read(value)
            except ValueError:
                if isinstance(value, str) and _is_number(value):
                    raise  # a number out of range is not a name
        return self.kinds[-1].read(value)


@dataclass(frozen=True)
class Several:
    """Any number of values of one kind: a tuple, or a list from JSON."""

    kind: Kind

    @property
    def expected(self) -> str:
        """Description of valid values."""
        if self.choices:
            return f"any of {', '.join(self.choices)}"
        return f"a list of {self.kind.expected}"

    @property
    def metavar(self) -> str | None:
        """Placeholder of a single value."""
        return self.kind.metavar

    @property
    def choices(self) -> tuple[str, ...]:
        """Valid words of a single value."""
        return self.kind.choices

    def read(self, value: Any) -> tuple[Any, ...]:
        """Convert a list, a tuple, or a single value."""
        values = value if isinstance(value, list | tuple) else (value,)
        return tuple(self.kind.read(one) for one in values)


@dataclass(frozen=True)
class Option:
    """The declaration of an option.

    Attributes:
        kind: Kind of its values.
        help: Description for ``--help`` and the documentation, with other options in backticks, by
            their names in Python.
        group: Heading of the option.
        default: Description of the default, if the value itself is not descriptive.
    """

    kind: Kind
    help: str
    group: str
    default: str = ""


def option(default: Any, kind: Kind, help: str, group: str, *, without: str = "") -> Any:
    """Declare a field of a dataclass as an option.

    Args:
        default: Default value. If it is None, None is also a valid value.
        kind: Kind of its values.
        help: See :class:`Option`.
        group: See :class:`Option`.
        without: See :class:`Option`, ``default``.
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
    return value if isinstance(value, str) and _is_number(value) else one_line(repr(value), 100)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
