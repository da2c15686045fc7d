"""Clocks of a run: its deadline, and the speed of an epoch.

Knows: the notation of durations. Does not know: what is timed.
"""

from __future__ import annotations

import re
import time

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
"""Seconds per unit, in the order of a duration's parts."""

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds_of(duration: str) -> float | None:
    """Parse a duration such as ``10m``, ``90s``, ``1h30m`` or ``1.5h``.

    Returns:
        Seconds, above 0; None: it is no duration.
    """
    found = _DURATION.fullmatch(duration)
    if found is None:
        return None
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    return sum(float(number) * unit for number, unit in parts if number) or None


class Deadline:
    """The deadline of a run, counted from the creation of the object."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    def left(self) -> float:
        """Return the remaining seconds, negative after the deadline."""
        return self._end - time.perf_counter()

    def sooner(self, seconds: float) -> Deadline:
        """Return a deadline that is so many seconds earlier."""
        return Deadline(self.left() - seconds)


class SpeedClock:
    """Measures the mean speed of an epoch so far."""

    def __init__(self, batch_size: int, skipped: int = 0) -> None:
        self._batch_size, self._skipped, self._began = batch_size, skipped, time.perf_counter()

    def after(self, steps: int) -> float:
        """Return the images per second after so many steps of the epoch."""
        images = (steps - self._skipped) * self._batch_size
        return images / max(time.perf_counter() - self._began, 1e-9)
