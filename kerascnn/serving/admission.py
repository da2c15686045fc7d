"""Admission control: how many pictures of a model are accepted, and who is using the model.

Knows: the pictures that are accepted and not yet answered, and how long one takes. Does not know
when or how they are run (:mod:`kerascnn.serving.batching`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kerascnn.serving.http.errors import HttpError

_SMOOTHING = 0.1
"""Weight of the newest request in the moving average of the time per picture: about the last ten
requests count, so that a single slow one changes little."""


class Admission:
    """Context manager in which pictures count as accepted; ``typical``: in estimates, too."""

    def __init__(self, control: AdmissionControl, count: int) -> None:
        self._control, self._count, self.typical = control, count, True

    def __enter__(self) -> Admission:
        self._control.taken += self._count
        self._ahead, self._began = self._control.taken, time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._control.taken -= self._count
        if kind is None and self.typical:
            # The elapsed time includes that of all pictures ahead.
            self._control.record((time.perf_counter() - self._began) / self._ahead)


class AdmissionControl:
    """Accepts pictures of one model, up to a limit; on the event loop only.

    ``taken``: pictures that are accepted and not yet answered, at most ``most``. ``users``:
    requests that use the model, from reading their bodies to their responses.
    """

    def __init__(self, most: int) -> None:
        self.taken, self.users = 0, 0
        self._most, self._seconds_each = most, 0.0

    @property
    def backlog(self) -> float:
        """Estimated seconds until all accepted pictures are answered."""
        return self.taken * self._seconds_each

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Count a user of the model for a block, in which it must not be closed."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1

    def admit(self, count: int, deadline: float) -> Admission:
        """Admit pictures for a block, if there is room and the deadline can be met.

        Raises:
            HttpError: 503: too many pictures are waiting.
        """
        if self.taken + count > self._most or self.backlog > deadline:
            raise HttpError(
                503,
                f"{self.taken} pictures are waiting, and there is no room for {count} more now. "
                "Try again later, and with fewer requests at a time.",
                retry_after=self.backlog,
            )
        return Admission(self, count)

    def record(self, seconds: float) -> None:
        """Update the estimated time per picture."""
        older = self._seconds_each or seconds
        self._seconds_each = older + _SMOOTHING * (seconds - older)
