"""Processes items in threads, with results in order and bounded memory.

Knows: the number of usable processors, and how far to read ahead. Does not know the work.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_CHUNK = 8
"""Items per task: one future per item would cost more than resizing a small picture."""

_SMALL, _WAITED = 3e-4, 1e-3
"""Limits per item in seconds: work is quick below this processor time and this elapsed time."""

_PATIENCE = 0.1
"""Seconds to wait for a turn, enough for several quick tasks; slower ones need no turns."""

_AHEAD = 4
"""Tasks in flight per thread, which bounds the memory for any number of items."""


def usable_cpus(
    quota: Path = Path("/sys/fs/cgroup/cpu.max"), older: Path = Path("/sys/fs/cgroup/cpu")
) -> int:
    """Count the processors that this process may use.

    Args:
        quota: File with a container's limit on Linux (cgroup v2).
        older: Folder with it on older systems (cgroup v1).

    Returns:
        The size of the affinity mask, limited by the container's quota; at least 1.
    """
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    shares = _read_words(quota) or [
        *_read_words(older / "cpu.cfs_quota_us"),
        *_read_words(older / "cpu.cfs_period_us"),
    ]
    try:
        limit, period = map(int, shares)
        return max(1, min(count, limit // period)) if limit > 0 else count
    except (ValueError, ZeroDivisionError):  # "max", or no file: no limit
        return count


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


class TakingTurns:
    """Processes lists of items in several threads, or in one at a time if that is faster.

    Reading a picture of 28 pixels is nearly all Python code, which holds the interpreter lock: two
    threads that pass it to each other take twice as long as one. From 0.3 ms per picture on, two
    threads are faster.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self.small = True

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Apply ``work`` to every item; called in one of the threads."""
        mine = self.small and self._turn.acquire(timeout=_PATIENCE)
        try:
            began, used = time.perf_counter(), time.thread_time()
            results = [work(item) for item in items]
            used, passed = time.thread_time() - used, time.perf_counter() - began
            self.small = used < _SMALL * len(items) and passed < _WAITED * len(items)
            return results
        finally:
            if mine:
                self._turn.release()


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """Apply ``work`` to every item in threads, and yield the results in order.

    Args:
        work: Must be safe to call from several threads; an exception ends the iteration.
        items: May be endless: read only a little ahead of the results.
        threads: Number of threads; None: :func:`usable_cpus`. A few items are processed in the
            caller's thread.
    """
    source = iter(items)
    first = list(islice(source, _CHUNK))
    if len(first) < _CHUNK:  # a single task, for which threads would not help
        yield from map(work, first)
        return
    count = threads or usable_cpus()
    whole = chain([first], iter(lambda: list(islice(source, _CHUNK)), []))
    with ThreadPoolExecutor(count) as executor:
        yield from _submit_ahead(executor, work, whole, _AHEAD * count)


def _submit_ahead(
    executor: Executor, work: Callable[[T], R], chunks: Iterable[list[T]], most: int
) -> Iterator[R]:
    """Submit chunks, at most ``most`` of them ahead of the results."""
    waiting: deque[Future[list[R]]] = deque()
    turns = TakingTurns()
    try:
        for chunk in chunks:
            waiting.append(executor.submit(turns.each, work, chunk))
            if len(waiting) >= most:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
