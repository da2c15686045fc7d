"""What a user sets in environment variables.

Knows: how a number is read, and the message if it is none; whether the network may be used. Does
not know any other variable.
"""

from __future__ import annotations

import math
import os

from kerascnn.errors import ConfigError

OFFLINE = "KERASCNN_OFFLINE"
"""Environment variable: anything but empty or 0 means that the network is never asked."""


def is_offline() -> bool:
    """Whether the user forbids to ask the network."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def environment_number(name: str, default: float, minimum: float, unit: str) -> float:
    """Read a number from an environment variable.

    Args:
        name: Name of the variable; if it is unset or empty, the default holds.
        default: Value where the variable is not set, in its unit.
        minimum: The smallest number that is accepted.
        unit: For the message, e.g. ``gigabytes``.

    Raises:
        ConfigError: The variable holds something else.
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
