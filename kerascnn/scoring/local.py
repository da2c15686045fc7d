"""Engine of worker processes on this machine, any of which may die.

Knows: processes, their pipes and how they end. Does not know parts or retries. A process that dies
loses only its own part.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
from multiprocessing.connection import Connection, wait
from typing import Any

from kerascnn.scoring.parts import Failure, Job, attempt

_SPAWN = multiprocessing.get_context("spawn")
"""Processes are spawned, because a fork would copy locks that other threads hold."""


class LocalProcesses:
    """A number of processes, each with one part at a time."""

    def __init__(self, count: int) -> None:
        self.capacity = count
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Worker] = {}  # by their pipes, on Windows of another class

    def __enter__(self) -> LocalProcesses:
        """Start nothing yet; processes are started on demand."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all processes."""
        for worker in [*self._idle, *self._busy.values()]:
            worker.end()

    def submit(self, job: Job) -> None:
        """Start a part in an idle or new process."""
        worker = self._idle.pop() if self._idle else _Worker()
        self._busy[worker.pipe] = worker
        worker.begin(job)

    def wait(self) -> tuple[int, bytes | Failure]:
        """Wait for the first part to finish."""
        worker = self._busy.pop(wait(list(self._busy))[0])
        number, result = worker.number, worker.result()
        if worker.alive:
            self._idle.append(worker)
        return number, result


class _Worker:
    """One worker process."""

    def __init__(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.number = -1
        self.alive = True
        self._process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # so that EOF is detected when the process ends

    def begin(self, job: Job) -> None:
        """Send a part; a dead process is detected when its result is read."""
        self.number = job.number
        try:
            self.pipe.send(job)
        except OSError:
            self.alive = False

    def result(self) -> bytes | Failure:
        """Return the content of the part's file, or its failure."""
        try:
            result: bytes | Failure = self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            return Failure(f"its process ended ({_ending(self._process.exitcode)})")
        return result

    def end(self) -> None:
        """Kill the process."""
        self.alive = False
        self.pipe.close()
        self._process.kill()
        self._process.join()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _serve(pipe: Connection) -> None:
    """Score parts until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
    notices = logging.StreamHandler()
    notices.addFilter(lambda record: not getattr(record, "once", False))  # the parent gave them
    logging.getLogger("kerascnn").addHandler(notices)
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(attempt(job))
        except BrokenPipeError:  # the parent is gone
            return
