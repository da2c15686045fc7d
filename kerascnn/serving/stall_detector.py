"""Detects whether work in threads hangs.

Knows: how much work is pending, and when some was last finished. Does not know the work.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


class StallDetector:
    """Progress of one kind of work; thread-safe."""

    def __init__(self) -> None:
        self._begun, self._last = 0, 0.0
        self._counting = threading.Lock()

    def begin(self) -> None:
        """Record the start of work."""
        with self._counting:
            if not self._begun:
                self._last = time.monotonic()
            self._begun += 1

    def end(self) -> None:
        """Record the end of work."""
        with self._counting:
            self._begun -= 1
            self._last = time.monotonic()

    def stalled(self, seconds: float) -> bool:
        """Return whether work is pending and none was finished for this many seconds."""
        return self._begun > 0 and time.monotonic() - self._last > seconds

    async def run_in(self, threads: Executor, work: Callable[[], T]) -> T:
        """Run work in a thread; if it is cancelled before it starts, it does not run."""
        doing = threads.submit(work)
        self.begin()
        # Called in the thread: waking the event loop for it costs as much as a small picture.
        doing.add_done_callback(lambda _: self.end())
        try:
            return await asyncio.wrap_future(doing)
        finally:
            # An error refers to this frame by its traceback, and the future to the error: such a
            # cycle would keep the request's data in memory until a garbage collection.
            del doing
