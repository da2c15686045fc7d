"""Scores parts with an engine: retries failed parts, and writes each result immediately.

Knows: missing parts, the attempts of each, and that a failed part does not stop the others. Does
not know processes or clusters, which an :class:`Engine` does.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Protocol

from kerascnn.errors import KerascnnError
from kerascnn.files import write_bytes
from kerascnn.scoring.parts import Failure, Job, WorkerOptions
from kerascnn.scoring.plan import Plan

TRIES = 3
"""Maximum attempts per part: a worker may be killed for reasons unrelated to its part."""


class Engine(Protocol):
    """Scores parts in some number of workers."""

    @property
    def capacity(self) -> int:
        """Maximum number of parts in progress."""

    def submit(self, job: Job) -> None:
        """Start a part."""

    def wait(self) -> tuple[int, bytes | Failure]:
        """Wait for a part to finish; return its number, and its file's content or its failure."""


class InProcess:
    """Scores one part at a time, in this process."""

    capacity = 1

    def __init__(self, work: Callable[[Job], bytes | Failure]) -> None:
        self._work = work
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Queue a part."""
        self._jobs.append(job)

    def wait(self) -> tuple[int, bytes | Failure]:
        """Score the queued part."""
        job = self._jobs.popleft()
        return job.number, self._work(job)


def score_parts(
    plan: Plan,
    numbers: Iterable[int],
    setting: WorkerOptions,
    engine: Engine,
    on_part: Callable[[int], object],
) -> dict[int, str]:
    """Score parts, and write each as soon as it is finished.

    Raises:
        KerascnnError: The model cannot be opened, for which a retry would not help.
    """
    waiting, begun, tries = deque(numbers), 0, Counter[int]()
    failed: dict[int, str] = {}
    while waiting or begun:
        while waiting and begun < engine.capacity:
            number = waiting.popleft()
            tries[number] += 1
            engine.submit(Job(number, plan.part_entries(number), setting))
            begun += 1
        number, result = engine.wait()
        begun -= 1
        problem = _written(plan, number, result)
        if problem is not None and isinstance(result, Failure) and tries[number] < TRIES:
            waiting.append(number)
            continue
        if problem is not None:
            failed[number] = f"{problem} (tried {tries[number]} times)"
        on_part(len(plan.part_range(number)))
    return failed


def _written(plan: Plan, number: int, result: bytes | Failure) -> str | None:
    """Write a part's file; return the error message, if any."""
    if isinstance(result, Failure):
        if result.everywhere:
            raise KerascnnError(result.message)
        return result.message
    try:
        write_bytes(plan.part_file(number), result)
    except KerascnnError as error:  # e.g. a full disk, which may have room for the next part
        return str(error)
    return None
