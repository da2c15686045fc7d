"""A pool of worker processes that decode large or suspicious files, and can be killed.

Knows: their number, their memory limit, retries, and the meaning of exit codes. Does not know which
pictures are decoded here (:mod:`kerascnn.images.read`).

A process works on one picture at a time, so killing it affects no other. The operating system
limits its memory (on Linux) and processor time (where signals exist); all data goes through pipes,
so no files are left behind.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kerascnn.errors import ConfigError, PictureError
from kerascnn.images.limits import BYTES, BYTES_EACH
from kerascnn.images.resizing import UInt8Array
from kerascnn.images.worker_process import GIVEN_UP, WorkerProcess, describe_exit
from kerascnn.parallel import usable_cpus

PixelFunction = Callable[[UInt8Array], UInt8Array]
"""Function that reduces pixels in the process that decoded them; module-level, perhaps partial."""


_RETRIED = (-getattr(signal, "SIGKILL", 9), -signal.SIGTERM, 0)
"""Exit codes that the picture did not cause: the process was killed to free memory, or exited
because it had grown."""


_TRIES = 4
"""Maximum attempts: one with too little memory, and a few for processes that were killed."""


class WorkerPool:
    """A pool of processes, started on demand; ``memory`` limits all their pictures, in bytes."""

    def __init__(self, count: int, memory: int) -> None:
        self._owner = os.getpid()
        self._free = threading.Condition()
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._count, self._busy = count, 0
        self._memory = self._unused = memory
        self._stopped = False

    def ask(
        self,
        job: dict[str, Any],
        content: bytes,
        estimate: int,
        accept: Callable[[int, int], object] | None = None,
        least: int = 0,
    ) -> tuple[dict[str, Any], UInt8Array | None]:
        """Process one picture, waiting for a free process.

        ``content``: of the file, unless the job has its path. ``estimate`` and ``least``: memory in
        bytes; with too little it is retried. ``accept``: called with height and width; may raise.

        Raises:
            PictureError: It takes too long or too much memory, or crashed the process.
        """
        name, most = job["name"], min(BYTES, self._memory)
        if least > most:
            raise _too_large(name, most)
        needed = min(estimate, most)
        for _ in range(_TRIES):
            with self._room(needed):
                answer, pixels, code = self._asked({**job, "bytes": needed}, content, accept)
            if answer.get("kind") == "memory" and needed < BYTES:
                needed = most
            elif answer or code not in _RETRIED:
                break
        if answer.get("kind") == "memory":
            raise _too_large(name, needed)
        if not answer:
            raise PictureError(f"{name}: cannot decode it ({describe_exit(code)}). Save it again.")
        return answer, pixels

    def start(self) -> None:
        """Start a process in advance, so that the first picture need not wait for it."""
        with self._room(0), self._worker():
            pass

    def stop(self) -> None:
        """Kill all processes; pending calls fail."""
        with self._free:
            self._stopped = True
            everyone = list(self._all)
            self._free.notify_all()
        if self._owner == os.getpid():  # after a fork they belong to the parent
            for worker in everyone:
                worker.kill()

    def _asked(
        self, job: dict[str, Any], content: bytes, accept: Callable[[int, int], object] | None
    ) -> tuple[dict[str, Any], UInt8Array | None, int]:
        with self._worker() as worker:
            try:
                return *worker.ask(job, content, accept), 0
            except (OSError, EOFError):
                code = worker.kill()
                return {}, None, GIVEN_UP if worker.given_up else code

    @contextmanager
    def _room(self, needed: int) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: self._stopped or needed <= self._unused)
            self._unused -= needed
        try:
            yield
        finally:
            with self._free:
                self._unused += needed
                self._free.notify_all()

    @contextmanager
    def _worker(self) -> Iterator[WorkerProcess]:
        """Lend a process; it is not reused if it has exited or was interrupted."""
        worker = self._take()
        try:
            if worker is None or not worker.alive:
                worker = WorkerProcess()
                with self._free:
                    self._all.add(worker)
            yield worker
        except BaseException:
            if worker is not None and not worker.between:
                worker.kill()
            raise
        finally:
            self._give_back(worker)

    def _take(self) -> WorkerProcess | None:
        with self._free:
            self._free.wait_for(lambda: self._stopped or self._busy < self._count)
            if self._stopped:
                raise PictureError("picture: not decoded, since the process is about to end.")
            self._busy += 1
            return self._idle.pop() if self._idle else None

    def _give_back(self, worker: WorkerProcess | None) -> None:
        with self._free:
            self._busy -= 1
            if worker is not None and worker.alive and not self._stopped:
                self._idle.append(worker)
            elif worker is not None:
                worker.kill()
                self._all.discard(worker)
            self._free.notify_all()


_lock = threading.Lock()
_workers: WorkerPool | None = None


def workers() -> WorkerPool:
    """Return the pool of this process; a forked process gets its own."""
    global _workers
    with _lock:
        if _workers is None or _workers._owner != os.getpid():
            count = usable_cpus()
            _workers = WorkerPool(count, max(BYTES, count * BYTES_EACH))
        return _workers


def _too_large(name: str, most: int) -> PictureError:
    return PictureError(
        f"{name}: not enough memory to decode it: more than the {most >> 20} MB that one picture "
        "may take. Make it smaller first."
    )


@atexit.register
def stop() -> None:
    """Stop the pool; the next picture that needs one starts a new pool."""
    global _workers
    with _lock:
        ending, _workers = _workers, None
    if ending is not None:
        ending.stop()


def unpacked(answer: dict[str, Any], pixels: UInt8Array | None) -> UInt8Array:
    """Return the pixels of a result, or raise its error.

    Raises:
        PictureError: The picture cannot be decoded.
        ConfigError: The function's options are invalid.
    """
    if pixels is not None:
        return pixels
    kinds: dict[str, type[Exception]] = {"picture": PictureError, "config": ConfigError}
    raise kinds.get(answer["kind"], RuntimeError)(answer["error"])
