"""Reads environment variables.

Knows: how a number is parsed, the error if it is invalid, and the offline mode. Does not know any
other variable.
"""

from __future__ import annotations

import math
import os

from kerascnn.errors import ConfigError

OFFLINE = "KERASCNN_OFFLINE"
"""Environment variable; any value other than empty or 0 forbids network access."""


def is_offline() -> bool:
    """Return whether the user forbids network access."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def environment_number(name: str, default: float, minimum: float, unit: str) -> float:
    """Read a number from an environment variable.

    Args:
        name: Name of the variable.
        default: Value if the variable is unset or empty.
        minimum: Smallest valid number.
        unit: Unit for the message, e.g. ``gigabytes``.

    Raises:
        ConfigError: The value of the variable is invalid.
    """
    text = os.environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not minimum <= number < math.inf:
        raise ConfigError(
            f"{name} is {text!r}; expected {unit}, at least {minimum:g}, e.g. {default:g}."
        )
    return number
