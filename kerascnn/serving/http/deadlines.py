"""Time limits of many requests or connections with a single timer.

Knows: the event loop's clock and asyncio's timeouts. Does not know what is limited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Time limits of equal length: the first to start expires first, so one timer is enough.

    A timer per request would take longer than routing it.

    Args:
        seconds: Length of the time limit.
        expire: Called with each item that did not end in time.
    """

    def __init__(self, seconds: float, expire: Callable[[T], object]) -> None:
        self._seconds, self._expire = seconds, expire
        self._ends: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, one: T) -> None:
        """Start the time limit of an item."""
        loop = asyncio.get_running_loop()
        self._ends[one] = end = loop.time() + self._seconds
        if self._timer is None or self._loop is not loop:  # tests run several loops in turn
            self._loop, self._timer = loop, loop.call_at(end, self._expire_due)

    def end(self, one: T) -> None:
        """End the time limit of an item, if it has one."""
        self._ends.pop(one, None)

    def _expire_due(self) -> None:
        """Expire the items whose time is over, and schedule the next check."""
        self._timer, loop = None, asyncio.get_running_loop()
        while self._ends:
            one, end = next(iter(self._ends.items()))
            if end > loop.time():
                self._timer = loop.call_at(end, self._expire_due)
                return
            del self._ends[one]
            self._expire(one)


def expire_now(limit: asyncio.Timeout) -> None:
    """Expire a time limit now, unless it is already over."""
    with suppress(RuntimeError):
        limit.reschedule(0)
