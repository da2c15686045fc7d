"""Parts by processes of this machine, any of which may die.

Knows: processes, their pipes and how they end. Does not know what a part is, nor how often it is
tried. A process that ends takes its own part with it and no other.
"""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection, wait
from types import TracebackType

from kerascnn.scoring.parts import Failure, Job, attempt

_SPAWN = multiprocessing.get_context("spawn")
"""A fork would take locks of other threads along."""


class LocalProcesses:
    """So many processes, each with one part at a time."""

    def __init__(self, count: int) -> None:
        self.capacity = count
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, _Worker] = {}

    def __enter__(self) -> LocalProcesses:
        """Processes are started when they are needed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all of them, whatever they do."""
        for worker in [*self._idle, *self._busy.values()]:
            worker.end()

    def submit(self, job: Job) -> None:
        """Begin a part in a process of its own."""
        worker = self._idle.pop() if self._idle else _Worker()
        self._busy[worker.pipe] = worker
        worker.begin(job)

    def wait(self) -> tuple[int, bytes | Failure]:
        """Wait for the first that ends."""
        ready = wait(list(self._busy))[0]
        assert isinstance(ready, Connection)  # noqa: S101 - for mypy: nothing else was waited for
        worker = self._busy.pop(ready)
        number, result = worker.number, worker.result()
        if worker.alive:
            self._idle.append(worker)
        return number, result


class _Worker:
    """One process."""

    def __init__(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.number = -1
        self.alive = True
        self._process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen here

    def begin(self, job: Job) -> None:
        """Send a part; that a process is dead is found when its result is asked for."""
        self.number = job.number
        try:
            self.pipe.send(job)
        except OSError:
            self.alive = False

    def result(self) -> bytes | Failure:
        """Return the part's content, or why there is none."""
        try:
            result: bytes | Failure = self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            return Failure(f"its process ended ({_ending(self._process.exitcode)})")
        return result

    def end(self) -> None:
        """End the process."""
        self.alive = False
        self.pipe.close()
        self._process.kill()
        self._process.join()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _serve(pipe: Connection) -> None:
    """Work on parts until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(attempt(job))
        except BrokenPipeError:  # whoever asked is gone
            return
