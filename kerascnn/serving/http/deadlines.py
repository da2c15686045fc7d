"""Time limits of very many requests or connections at the price of one timer.

Knows: the event loop's clock, asyncio's timeouts. Does not know what is limited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Limits of one length: those that began first end first, so one timer is enough.

    A timer for each takes longer than routing a request.

    Args:
        seconds: Length of each.
        expire: Called with each that was not ended in time.
    """

    def __init__(self, seconds: float, expire: Callable[[T], object]) -> None:
        self._seconds, self._expire = seconds, expire
        self._ends: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, one: T) -> None:
        """Begin a limit."""
        loop = asyncio.get_running_loop()
        self._ends[one] = end = loop.time() + self._seconds
        if self._timer is None or self._loop is not loop:  # tests run one loop after the other
            self._loop, self._timer = loop, loop.call_at(end, self._look)

    def end(self, one: T) -> None:
        """End a limit, if it was begun."""
        self._ends.pop(one, None)

    def _look(self) -> None:
        """Expire what has lasted long enough, and wake up again for the next."""
        self._timer, loop = None, asyncio.get_running_loop()
        while self._ends:
            one, end = next(iter(self._ends.items()))
            if end > loop.time():
                self._timer = loop.call_at(end, self._look)
                return
            del self._ends[one]
            self._expire(one)


def expire_now(limit: asyncio.Timeout) -> None:
    """Expire a time limit now, unless it is already over."""
    with suppress(RuntimeError):
        limit.reschedule(0)
