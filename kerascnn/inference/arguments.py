"""Numbers that callers give: refused before anything is worked on.

Knows: their kinds and ranges. Does not know what they are for.
"""

from __future__ import annotations

import numbers

from kerascnn.errors import ConfigError


def check_count(name: str, value: object) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ConfigError(f"`{name}` is {value!r}; expected a whole number of at least 1.")


def check_share(name: str, value: object) -> None:
    """Refuse what is no number from 0 to 1.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(value, numbers.Real) or not 0 <= float(value) <= 1:
        raise ConfigError(f"`{name}` is {value!r}; expected a number from 0 to 1.")
