"""Dynamic batching: combines the pictures of many requests into few runs of the network.

Knows: how many pictures are being decoded, waiting and running, and when a run starts. Does not
know how many are accepted (:mod:`kerascnn.serving.admission`), HTTP or pictures. Everything happens
on the event loop, so there are no locks; only the run itself is in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerascnn.images import UInt8Array
from kerascnn.inference.prediction import finite_rows
from kerascnn.serving.stall_detector import StallDetector

Floats = npt.NDArray[np.float32]


Network = Callable[[UInt8Array], tuple[Floats, Floats]]
"""Function from a uint8 batch ``[n, H, W, 3]`` to logits and probabilities ``[n, classes]``."""


@dataclass(frozen=True)
class Answer:
    """Outputs for the pictures of a request.

    Attributes:
        logits: float32 ``[n, classes]``.
        probabilities: float32 ``[n, classes]``.
        waited: Seconds that its last picture waited for its run.
        ran: Duration of this run, in seconds.
        finite: Whether all values are finite; rows that are not are no predictions.
    """

    logits: Floats
    probabilities: Floats
    waited: float
    ran: float
    finite: bool


@dataclass(eq=False)
class _Job:
    """Pictures of one request, which may be split over several runs."""

    future: asyncio.Future[Answer]
    count: int
    arrived: float
    rows: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    finite: bool = True


class Batcher:
    """Batches pictures of one model.

    Args:
        networks: Copies of the network; each runs one batch at a time, in parallel with others.
        max_batch: Maximum pictures per run of the network. Batches have 1, 2, 4, … or this many
            pictures: few sizes, which can all be warmed up, without time lost on padding.
        max_wait: Seconds that a run waits for pictures that are being decoded.
        observe: Called after each run with its size and duration in seconds.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        max_batch: int,
        max_wait: float,
        observe: Callable[[int, float], object] | None = None,
    ) -> None:
        self.sizes = batch_sizes(max_batch)
        self._idle, self._max_wait = list(networks), max_wait
        self._observe = observe or (lambda _size, _seconds: None)
        self._expected = 0
        self._rows: deque[tuple[_Job, int, UInt8Array]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._threads = ThreadPoolExecutor(len(networks), thread_name_prefix="inference")
        self.runs = StallDetector()

    @contextmanager
    def expect_more(self) -> Iterator[None]:
        """Count pictures as being decoded within a block, so that a batch may wait for them."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            # Deferred, because these pictures are submitted next and belong to the same run.
            asyncio.get_running_loop().call_soon(self._start_if_due)

    async def submit(self, pictures: Sequence[UInt8Array]) -> Answer:
        """Run pictures in batches with those of other requests; canceling withdraws them.

        There must be at least one, uint8 ``[H, W, 3]`` of the model's size.
        """
        loop = asyncio.get_running_loop()
        job = _Job(loop.create_future(), len(pictures), loop.time())
        self._rows.extend((job, index, picture) for index, picture in enumerate(pictures))
        self._start_if_due()
        return await job.future

    def close(self) -> None:
        """Stop the threads after their current runs."""
        self._threads.shutdown(wait=False)

    def _start_if_due(self) -> None:
        """Start or schedule a run if a network is idle and pictures are waiting."""
        if not self._idle or not self._rows:
            return
        if len(self._rows) >= self.sizes[-1]:
            self._begin()
        elif self._expected and self._max_wait:
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._max_wait, self._begin)
        elif self._soon is None:
            # Deferred, because requests that arrived together are read one after the other, and
            # separate runs would cost more than the deferral.
            self._soon = asyncio.get_running_loop().call_soon(self._begin)

    def _next_rows(self, size: int) -> list[tuple[_Job, int, UInt8Array]]:
        batch: list[tuple[_Job, int, UInt8Array]] = []
        while self._rows and len(batch) < size:
            row = self._rows.popleft()
            if not row[0].future.done():
                batch.append(row)
        return batch

    def _begin(self) -> None:
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._timer = self._soon = None
        if not self._idle:
            return
        while self._rows and self._rows[0][0].future.done():
            self._rows.popleft()  # its client disconnected, or it timed out
        if not self._rows:
            return
        # The largest size that can be filled: padding would cost as much as pictures.
        batch = self._next_rows(max(size for size in self.sizes if size <= len(self._rows)))
        network = self._idle.pop()
        loop = asyncio.get_running_loop()
        pictures = [picture for _, _, picture in batch]
        self.runs.begin()
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
        self.runs.end()
        self._idle.append(network)
        self._start_if_due()  # the next run first, so that the network does not idle
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
    """Outputs of a run of the network, and its duration in seconds."""

    logits: Floats
    probabilities: Floats
    finite: bool
    seconds: float


def _timed(network: Network, pictures: list[UInt8Array]) -> _Run:
    began = time.perf_counter()
    logits, probabilities = network(np.stack(pictures))
    # Once per run instead of per request, and off the event loop.
    finite = bool(finite_rows(logits, probabilities).all())
    return _Run(logits, probabilities, finite, time.perf_counter() - began)


def _answer(job: _Job, waited: float, ran: float) -> Answer:
    rows = [job.rows[index] for index in range(job.count)]
    if len(rows) == 1:
        return Answer(*rows[0], waited, ran, job.finite)
    logits, probabilities = (np.concatenate(values) for values in zip(*rows, strict=True))
    return Answer(logits, probabilities, waited, ran, job.finite)


def batch_sizes(max_batch: int) -> tuple[int, ...]:
    """List the batch sizes of runs.

    Examples:
        >>> batch_sizes(12)
        (1, 2, 4, 8, 12)
    """
    return (*(1 << power for power in range((max_batch - 1).bit_length())), max_batch)
