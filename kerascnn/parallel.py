"""Work in threads, results in order, bounded memory.

Knows: how many processors may be used, and how far to run ahead. Does not know the work.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_CHUNK = 8
"""Items a task: one future an item would cost more than sizing a small picture."""

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


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """Apply ``work`` to every item in threads, and give the results in order.

    Args:
        work: Must be safe to call from several threads; an exception ends the iteration.
        items: Taken only a little ahead of what was given out, so they may be endless.
        threads: How many; None: :func:`usable_cpus`.

    Yields:
        One result an item.
    """
    count = threads or usable_cpus()
    source = iter(items)
    with ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[list[R]]] = deque()
        try:
            while chunk := list(islice(source, _CHUNK)):
                waiting.append(pool.submit(lambda chunk=chunk: [work(item) for item in chunk]))  # type: ignore[misc]
                if len(waiting) >= _AHEAD * count:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
