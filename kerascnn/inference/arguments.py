"""Validates numeric arguments before any work is done.

Knows: types and ranges. Does not know what the numbers are for.
"""

from __future__ import annotations

import numbers

from kerascnn.errors import ConfigError


def check_count(name: str, value: object) -> None:
    """Check that a value is a whole number of at least 1.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ConfigError(f"`{name}` is {value!r}; expected a whole number of at least 1.")


def check_share(name: str, value: object) -> None:
    """Check that a value is a number from 0 to 1.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(value, numbers.Real) or not 0 <= float(value) <= 1:
        raise ConfigError(f"`{name}` is {value!r}; expected a number from 0 to 1.")
