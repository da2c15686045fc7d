"""Getting parts done by whatever works on them: three tries each, every answer written at once.

Knows: which parts are missing, how often each was tried, and that one that fails does not stop the
others. Does not know processes or clusters: an :class:`Engine` does.
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
"""Times that a part is begun: a worker may be killed for what it did not do."""


class Engine(Protocol):
    """What works on parts."""

    @property
    def capacity(self) -> int:
        """How many parts it takes before one is done."""

    def submit(self, job: Job) -> None:
        """Begin a part."""

    def wait(self) -> tuple[int, bytes | Failure]:
        """Return the number of a part that ended, and its file's content or why there is none."""


class InProcess:
    """Works on one part at a time, in this process."""

    capacity = 1

    def __init__(self, work: Callable[[Job], bytes | Failure]) -> None:
        self._work = work
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Remember a part."""
        self._jobs.append(job)

    def wait(self) -> tuple[int, bytes | Failure]:
        """Score it."""
        job = self._jobs.popleft()
        return job.number, self._work(job)


def score_parts(
    plan: Plan,
    numbers: Iterable[int],
    setting: WorkerOptions,
    engine: Engine,
    on_part: Callable[[int], object],
) -> dict[int, str]:
    """Score parts and write each as soon as it is there.

    Raises:
        KerascnnError: The model cannot be opened, which no other try would change.
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
    """Write a part's file; return what was wrong."""
    if isinstance(result, Failure):
        if result.everywhere:
            raise KerascnnError(result.message)
        return result.message
    try:
        write_bytes(plan.part_file(number), result)
    except KerascnnError as error:  # a full disk: there may be room for the next
        return str(error)
    return None
