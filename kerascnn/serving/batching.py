"""Dynamic batching: many requests, few runs of the network.

Knows: how many pictures are on their way, waiting and running, and when a run begins. Does not
know HTTP, nor what a picture shows. Everything happens on the event loop, so there are no locks;
only the run itself is in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kerascnn.images import UInt8Array
from kerascnn.inference.prediction import finite_rows
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.stall_detector import StallDetector

Floats = npt.NDArray[np.float32]

_SMOOTHING = 0.1
"""Weight of the newest answer in the estimate of how long one takes."""


class Network(Protocol):
    """What runs a batch: uint8 ``[n, S, S, 3]`` to logits and probabilities ``[n, classes]``."""

    def __call__(self, batch: UInt8Array, /) -> tuple[Floats, Floats]:
        """Run it."""


@dataclass(frozen=True)
class Answer:
    """Result of a job.

    Attributes:
        logits: float32 ``[n, classes]``.
        probabilities: float32 ``[n, classes]``.
        waited: Seconds that its last picture waited for its run.
        ran: Seconds that this run took.
        finite: Whether all values are finite; else some rows are no answer.
    """

    logits: Floats
    probabilities: Floats
    waited: float
    ran: float
    finite: bool


class Use:
    """A block in which a batcher is used; it may be entered many times at once."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher

    def __enter__(self) -> None:
        self._batcher.users += 1

    def __exit__(self, *_: object) -> None:
        self._batcher.users -= 1


class Admission:
    """A block in which pictures are taken.

    Attributes:
        typical: Whether their time tells how long others will take.
    """

    def __init__(self, batcher: Batcher, count: int) -> None:
        self._batcher, self._count, self.typical = batcher, count, True

    def __enter__(self) -> Admission:
        self._batcher.taken += self._count
        self._ahead, self._began = self._batcher.taken, time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._batcher.taken -= self._count
        if kind is None and self.typical:
            # The time that passes is that of all who are ahead, too.
            self._batcher.took((time.perf_counter() - self._began) / self._ahead)


@dataclass(eq=False)
class _Job:
    """Pictures that are answered together, perhaps by several runs."""

    future: asyncio.Future[Answer]
    count: int
    arrived: float
    rows: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    finite: bool = True


class Batcher:
    """Batches pictures of one model.

    Args:
        networks: One or several copies of the network; each runs by itself, one batch at a time.
        max_batch: Most pictures per run of the network. Runs are of 1, 2, 4, … pictures and of
            this many: few sizes, which can all be warmed, and no time is lost on padding.
        max_wait: Seconds that a run waits for pictures that are being decoded.
        max_queue: Most pictures that are taken and not yet answered.
        observe: Called after each run with its size and seconds.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        max_batch: int,
        max_wait: float,
        max_queue: int,
        observe: Callable[[int, float], object] | None = None,
    ) -> None:
        self.sizes = batch_sizes(max_batch)
        self.taken, self.users, self._use = 0, 0, Use(self)
        self._idle, self._max_wait, self._max_queue = list(networks), max_wait, max_queue
        self._observe = observe or (lambda _size, _seconds: None)
        self._expected = 0
        self._rows: deque[tuple[_Job, int, UInt8Array]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._seconds_each = 0.0
        self._threads = ThreadPoolExecutor(len(networks), thread_name_prefix="inference")
        self._runs = StallDetector()

    @property
    def backlog(self) -> float:
        """Seconds that the pictures taken will need, as far as the latest answers tell."""
        return self.taken * self._seconds_each

    def stalled(self, seconds: float) -> bool:
        """Return whether no run has finished for this many seconds."""
        return self._runs.stalled(seconds)

    def in_use(self) -> Use:
        """Return a block that prevents closing, from before a body is read to the response."""
        return self._use

    def admit(self, count: int, deadline: float) -> Admission:
        """Admit pictures for a block, if there is room for them and time to answer.

        Raises:
            HttpError: 503: too many are taken already.
        """
        if self.taken + count > self._max_queue or self.backlog > deadline:
            raise HttpError(
                503,
                f"{self.taken} pictures are waiting, and there is no room for {count} more now. "
                "Try again later, and with fewer requests at a time.",
                retry_after=self.backlog,
            )
        return Admission(self, count)

    def took(self, seconds: float) -> None:
        """Note how long a picture took, those ahead of it counted."""
        older = self._seconds_each or seconds
        self._seconds_each = older + _SMOOTHING * (seconds - older)

    @contextmanager
    def expect_more(self) -> Iterator[None]:
        """Announce that pictures are being decoded, so that a batch may wait for them."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            # Not at once: these pictures are submitted next, and belong to the same run.
            asyncio.get_running_loop().call_soon(self._start_if_due)

    async def submit(self, pictures: Sequence[UInt8Array]) -> Answer:
        """Run pictures, together with those of others. If cancelled, they are not run.

        Args:
            pictures: Pictures of the model's size, uint8 ``[S, S, 3]`` each; at least one.
        """
        loop = asyncio.get_running_loop()
        job = _Job(loop.create_future(), len(pictures), loop.time())
        self._rows.extend((job, index, picture) for index, picture in enumerate(pictures))
        self._start_if_due()
        return await job.future

    def close(self) -> None:
        """Stop the threads when their runs are done."""
        self._threads.shutdown(wait=False)

    def _start_if_due(self) -> None:
        """Begin a run, if it is time for one."""
        if not self._idle or not self._rows:
            return
        if len(self._rows) >= self.sizes[-1]:
            self._begin()
        elif self._expected and self._max_wait:
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._max_wait, self._begin)
        elif self._soon is None:
            # Not at once: requests that came in together are read one after the other, and a run
            # for each would cost more than the run itself.
            self._soon = asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._timer = self._soon = None
        if not self._idle:
            return
        while self._rows and self._rows[0][0].future.done():
            self._rows.popleft()  # its client hung up, or its time is over
        if not self._rows:
            return
        # The largest warmed size that is full: rows of padding would cost as much as pictures.
        size = max(size for size in self.sizes if size <= len(self._rows))
        batch: list[tuple[_Job, int, UInt8Array]] = []
        while self._rows and len(batch) < size:
            row = self._rows.popleft()
            if not row[0].future.done():
                batch.append(row)
        network = self._idle.pop()
        loop = asyncio.get_running_loop()
        pictures = [picture for _, _, picture in batch]
        self._runs.begin()
        running = loop.run_in_executor(self._threads, _timed, network, pictures)
        running.add_done_callback(lambda done: self._finish(network, batch, loop.time(), done))
        self._start_if_due()  # another copy may be idle

    def _finish(
        self,
        network: Network,
        batch: list[tuple[_Job, int, UInt8Array]],
        now: float,
        done: asyncio.Future[_Run],
    ) -> None:
        self._runs.end()
        self._idle.append(network)
        self._start_if_due()  # first the next run: the network shall not wait for what follows
        error = done.exception()
        if error is not None:
            for job, _, _ in batch:
                if not job.future.done():
                    job.future.set_exception(error)
            return
        run = done.result()
        self._observe(len(batch), run.seconds)
        for row, (job, index, _) in enumerate(batch):
            part = slice(row, row + 1)
            job.rows[index] = run.logits[part], run.probabilities[part]
            job.finite &= run.finite
            if len(job.rows) == job.count and not job.future.done():
                waited = max(0.0, now - job.arrived - run.seconds)
                job.future.set_result(_answer(job, waited, run.seconds))


class _Run(NamedTuple):
    """What a run of the network gave, and its seconds."""

    logits: Floats
    probabilities: Floats
    finite: bool
    seconds: float


def _timed(network: Network, pictures: list[UInt8Array]) -> _Run:
    began = time.perf_counter()
    logits, probabilities = network(np.stack(pictures))
    # Here once, and not for each request; and in the thread.
    finite = bool(finite_rows(logits, probabilities).all())
    return _Run(logits, probabilities, finite, time.perf_counter() - began)


def _answer(job: _Job, waited: float, ran: float) -> Answer:
    rows = [job.rows[index] for index in range(job.count)]
    if len(rows) == 1:
        return Answer(*rows[0], waited, ran, job.finite)
    logits, probabilities = (np.concatenate(values) for values in zip(*rows, strict=True))
    return Answer(logits, probabilities, waited, ran, job.finite)


def batch_sizes(max_batch: int) -> tuple[int, ...]:
    """List the sizes of runs.

    Examples:
        >>> batch_sizes(12)
        (1, 2, 4, 8, 12)
    """
    powers = []
    size = 1
    while size < max_batch:
        powers.append(size)
        size *= 2
    return (*powers, max_batch)
