"""Work in threads, results in order, bounded memory.

Knows: how many processors may be used, and how far to run ahead. Does not know the work.
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
"""Items a task: one future an item would cost more than resizing a small picture."""

_SMALL, _WAITED = 3e-4, 1e-3
"""Seconds an item: less processor time is little work, unless more than the second went by."""

_PATIENCE = 0.1
"""Seconds to wait for a turn: several such tasks; who takes longer does not have little work."""

_AHEAD = 4
"""Tasks in flight for each thread: bounds memory, whatever the number of items."""


def usable_cpus(
    quota: Path = Path("/sys/fs/cgroup/cpu.max"), older: Path = Path("/sys/fs/cgroup/cpu")
) -> int:
    """Count the processors this process may use.

    Args:
        quota: Where Linux tells a container's limit (cgroup v2).
        older: Folder where it does so on older systems (cgroup v1).

    Returns:
        At least 1: the affinity mask, and no more than the container's quota.
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
    except (ValueError, ZeroDivisionError):  # "max", or no file: there is no limit
        return count


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


class TakingTurns:
    """Works on lists of items in several threads, or in one at a time where that is quicker.

    To read a picture of 28 pixels is nearly all Python, which runs in one thread at a time: two
    that pass it to and fro take twice as long as one. From 0.3 ms a picture on, two are quicker.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self.small = True

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Apply ``work`` to every item; to be called in one of the threads."""
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
    """Apply ``work`` to every item in threads, and give the results in order.

    Args:
        work: Must be safe to call from several threads; an exception ends the iteration.
        items: Taken only a little ahead of what was given out, so they may be endless.
        threads: How many; None: :func:`usable_cpus`. A few items are worked on in the caller's
            thread.
    """
    source = iter(items)
    first = list(islice(source, _CHUNK))
    if len(first) < _CHUNK:  # that is all, and one task: threads would do no more at a time
        yield from map(work, first)
        return
    count = threads or usable_cpus()
    whole = chain([first], iter(lambda: list(islice(source, _CHUNK)), []))
    with ThreadPoolExecutor(count) as executor:
        yield from _submit_ahead(executor, work, whole, _AHEAD * count)


def _submit_ahead(
    executor: Executor, work: Callable[[T], R], chunks: Iterable[list[T]], most: int
) -> Iterator[R]:
    """Work on chunks, so many of them ahead of what was given out."""
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
