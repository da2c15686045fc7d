"""Processes a source of any length and speed in threads and batches, in bounded memory.

Knows: threads, how far to read ahead, how long to wait for a full batch. Does not know the work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Generic, TypeVar

from kerascnn.parallel import TakingTurns, usable_cpus

T = TypeVar("T")
R = TypeVar("R")

MOST_BYTES = 256 << 20
"""Limit of the memory of items in flight, in bytes; a single item may exceed it."""

_TASK = 8
"""Maximum items per task: one future per item would cost more than resizing a small picture."""

_SMALL_TASK = 32
"""Maximum items per task of quick work, and free slots required before reading continues: passing
the interpreter lock to another thread costs half as much as a small picture."""

_MAX_IN_FLIGHT = 32
"""Maximum items in flight per thread; a single thread has room for two tasks of quick work."""

BATCH_TIMEOUT = 0.05
"""Seconds without a new item after which a partial batch is yielded: a live source, such as a pipe
that somebody types into, must not wait for a full batch."""


def in_batches(
    work: Callable[[T], R],
    items: Iterable[T],
    size: int,
    weigh: Callable[[T], int],
    pool: Callable[[], Executor] | None = None,
    threads: int | None = None,
    timeout: float | None = BATCH_TIMEOUT,
) -> Iterator[list[R]]:
    """Apply ``work`` to every item in threads, and yield the results in order, in batches.

    Args:
        work: Must be safe to call from several threads; an exception ends the iteration.
        items: May be endless: read only a little ahead of the results, and in a separate thread,
            so that results never wait for the next item.
        size: Results per batch. Batches are full, except the last and when the source is slow.
        weigh: Returns the memory of an item and its result, in bytes.
        pool: Returns the thread pool to use; None: one is created for this call. Not called for a
            list of a few items, which are processed in the caller's thread.
        threads: Number of its threads; None: :func:`kerascnn.parallel.usable_cpus`.
        timeout: Seconds to wait for another item before a partial batch is yielded; None: only the
            last batch may be partial.

    Yields:
        From 1 to ``size`` results.
    """
    if isinstance(items, Sized) and len(items) < _TASK:  # one task: threads would not help
        few = list(items)
        for start in range(0, len(few), size):
            yield [work(item) for item in few[start : start + size]]
        return
    threads = threads or usable_cpus()
    source = _Source(items, weigh, max(_MAX_IN_FLIGHT * threads, 2 * _SMALL_TASK))
    with ExitStack() as stack:
        if pool is None:
            own = stack.enter_context(ThreadPoolExecutor(threads))
            pool = lambda: own  # noqa: E731
        tasks = _Tasks(work, source, pool, max(_TASK, min(_SMALL_TASK, size)))
        stack.callback(tasks.stop)
        yield from _batches(tasks, source, size, timeout)


def _batches(
    tasks: _Tasks[T, R], source: _Source[T], size: int, timeout: float | None
) -> Iterator[list[R]]:
    batch: list[R] = []
    while True:
        tasks.begin(timeout if batch else None)
        if tasks.waiting:
            batch += tasks.next()
        elif batch:
            yield batch
            batch = []
        elif source.ended:
            return
        while len(batch) >= size:
            yield batch[:size]
            batch = batch[size:]


class _Tasks(Generic[T, R]):
    """Tasks in flight, whose results are returned in order."""

    def __init__(
        self,
        work: Callable[[T], R],
        source: _Source[T],
        pool: Callable[[], Executor],
        together: int,
    ) -> None:
        self._work, self._source, self._pool, self._together = work, source, pool, together
        self.waiting: deque[tuple[Future[list[R]], int]] = deque()
        self._turns, self._small = TakingTurns(), False

    def begin(self, patience: float | None) -> None:
        """Submit the items that are ready; wait for some only if nothing is in flight."""
        # While others are in flight, quick work is worth a task only in larger groups.
        by_many = self.waiting and self._small
        least, most = (self._together, self._together) if by_many else (1, _TASK)
        for task, weight in self._source.available(0.0 if self.waiting else patience, least, most):
            self.waiting.append((self._pool().submit(self._turns.each, self._work, task), weight))

    def next(self) -> list[R]:
        """Wait for the oldest task and return its results."""
        future, weight = self.waiting.popleft()
        results = future.result()
        self._small = self._turns.small
        self._source.give_back(len(results), weight)
        return results

    def stop(self) -> None:
        """Stop reading items, and cancel tasks that have not started."""
        self._source.stop()
        for future, _ in self.waiting:
            future.cancel()


class _Source(Generic[T]):
    """Reads items ahead in a separate thread, up to limits of count and memory."""

    def __init__(self, items: Iterable[T], weigh: Callable[[T], int], most: int) -> None:
        self._items, self._weigh, self._most = items, weigh, most
        self._changed = threading.Condition()
        self._ready: deque[tuple[T, int]] = deque()
        self._held, self._bytes = 0, 0
        self._done, self._stopped = False, False
        self._error: BaseException | None = None
        # A daemon, because the source may block forever.
        threading.Thread(target=self._read_all, name="taking", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the source is exhausted; raises the error that the source raised."""
        with self._changed:
            if not self._done or self._ready:
                return False
            if self._error is not None:
                raise self._error
            return True

    def available(self, patience: float | None, least: int, most: int) -> list[tuple[list[T], int]]:
        """Return the items that are ready, grouped into tasks, with the bytes of each task.

        Args:
            patience: Seconds to wait for the first item; None: without limit.
            least: Minimum items per task, except at the end of the source.
            most: Maximum items per task.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._done, patience)
            found = []
            while len(self._ready) >= (1 if self._done else least):
                some = [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
                found.append(([item for item, _ in some], sum(weight for _, weight in some)))
            return found

    def give_back(self, items: int, weight: int) -> None:
        """Release items and bytes, so that more may be read."""
        with self._changed:
            self._held -= items
            self._bytes -= weight
            if self._has_much_room():
                self._changed.notify_all()

    def stop(self) -> None:
        """Stop reading items."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _read_all(self) -> None:
        try:
            for item in self._items:
                if not self._append_when_room(item, self._weigh(item)):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where results are taken
            self._error = error
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def _append_when_room(self, item: T, weight: int) -> bool:
        """Wait for room and append an item; return False if reading was stopped."""
        with self._changed:
            if not self._has_room(weight):
                self._changed.wait_for(
                    lambda: self._stopped or (self._has_much_room() and self._has_room(weight))
                )
            if self._stopped:
                return False
            self._held, self._bytes = self._held + 1, self._bytes + weight
            self._ready.append((item, weight))
            self._changed.notify_all()
            return True

    def _has_room(self, weight: int) -> bool:
        fits = self._held < self._most and self._bytes + weight <= MOST_BYTES
        return fits or not self._held

    def _has_much_room(self) -> bool:
        return self._most - self._held >= _SMALL_TASK or not self._held
