"""Clocks of a run: how long it may take, and how fast an epoch is.

Knows: how people write a duration. Does not know what is timed.
"""

from __future__ import annotations

import re
import time

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
"""Seconds, in the order in which a duration names them."""

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds_of(duration: str) -> float | None:
    """Read a duration as people write it: ``10m``, ``90s``, ``1h30m``, ``1.5h``.

    Returns:
        Seconds, above 0; None: it is no duration.
    """
    found = _DURATION.fullmatch(duration)
    if found is None:
        return None
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    return sum(float(number) * unit for number, unit in parts if number) or None


class Deadline:
    """When a run has to be over; its time begins with the object."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    def left(self) -> float:
        """Return the seconds that are left, below 0 when it is over."""
        return self._end - time.perf_counter()

    def sooner(self, seconds: float) -> Deadline:
        """Return a deadline that is so much earlier."""
        return Deadline(self.left() - seconds)


class SpeedClock:
    """Tells how fast an epoch has been so far."""

    def __init__(self, batch_size: int, skipped: int = 0) -> None:
        self._batch_size, self._skipped, self._began = batch_size, skipped, time.perf_counter()

    def after(self, steps: int) -> float:
        """Return the images a second after so many steps of the epoch."""
        images = (steps - self._skipped) * self._batch_size
        return images / max(time.perf_counter() - self._began, 1e-9)
