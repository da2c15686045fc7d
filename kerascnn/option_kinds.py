"""Kinds of values that an option can have: numbers within limits, words, text, flags, lists.

Knows: how a value is validated and converted. Does not know options or how errors name them.
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


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
    """A number within limits, or one of a few words."""

    type: type[int] | type[float]
    good: Callable[[Any], bool]  # returns whether a finite number is within the limits
    expected: str
    metavar: str
    words: tuple[str, ...] = ()  # valid words instead of a number, e.g. `auto`
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
    """Text, or a path."""

    expected: str
    metavar: str
    good: Callable[[str], bool] = bool  # returns whether a text is valid
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> str:
        """Return a text, or the text of a path."""
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(text, str) or not self.good(text):
            raise ValueError(value)
        return str(text)


@dataclass(frozen=True)
class Flag:
    """A boolean; ``both``: with ``--x/--no-x`` on the command line, whatever the default."""

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
                if isinstance(value, str) and is_number(value):
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


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
