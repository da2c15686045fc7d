"""Whether work in threads gets on, or hangs where nobody can stop it.

Knows: how much was begun, and when something was last done. Does not know the work.
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
    """Progress of one kind of work; it may be told from any thread."""

    def __init__(self) -> None:
        self._begun, self._last = 0, 0.0
        self._counting = threading.Lock()

    def begin(self) -> None:
        """Note that something was begun."""
        with self._counting:
            if not self._begun:
                self._last = time.monotonic()
            self._begun += 1

    def end(self) -> None:
        """Note that something is done."""
        with self._counting:
            self._begun -= 1
            self._last = time.monotonic()

    def stalled(self, seconds: float) -> bool:
        """Return whether there is work and none was finished for this many seconds."""
        return self._begun > 0 and time.monotonic() - self._last > seconds

    async def run_in(self, threads: Executor, work: Callable[[], T]) -> T:
        """Run work in a thread. Cancelled in time, it does not start."""
        doing = threads.submit(work)
        self.begin()
        # In the thread: to wake the event loop for it costs as much as a small picture.
        doing.add_done_callback(lambda _: self.end())
        try:
            return await asyncio.wrap_future(doing)
        finally:
            # An error holds this frame by its traceback, and the future the error: in a circle,
            # all that the request brought would stay until garbage is collected.
            del doing
