"""Parses long messages in worker processes, so that they do not block the event loop.

Knows: that a parser holds the interpreter lock, whatever the message: an array, an object with a
million keys, a text of escapes. Does not know the meaning of a message, or how the worker parses it
(:mod:`kerascnn.serving.http.message_worker`).
"""

from __future__ import annotations

import logging
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast

from kerascnn.child_process import ChildProcess
from kerascnn.errors import kind_and_line
from kerascnn.parallel import usable_cpus
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.stall_detector import StallDetector

log = logging.getLogger(__name__)

T = TypeVar("T")

LONG = 262_144
"""Message size in bytes from which a worker process parses it; shorter ones take a few
milliseconds."""

_CRASHES = {
    -getattr(signal, name) for name in ("SIGABRT", "SIGSEGV", "SIGBUS") if hasattr(signal, name)
}
"""Exit codes of a worker that crashed in the parser, perhaps for lack of memory; a retry with the
same message would crash again."""


class MessageReader:
    """A few worker processes, started on the first long message; ``work`` detects hanging ones."""

    def __init__(self) -> None:
        half = max(1, usable_cpus() // 2)  # leaves the other cores free
        self._threads = ThreadPoolExecutor(half, thread_name_prefix="reading messages")
        self._own = threading.local()
        self._all: set[_Process] = set()
        self._lock = threading.Lock()
        self.work = StallDetector()

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a module-level function in one of the processes.

        Raises:
            HttpError: Raised by the function; 413: it takes too much memory, or crashes; 503: the
                process was killed, or cannot be started.
        """
        return await self.work.run_in(self._threads, partial(self._call, function, arguments))

    def close(self) -> None:
        """Kill all processes; pending calls fail."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for process in self._all:
                process.kill()
            self._all.clear()

    def _call(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        process: _Process | None = getattr(self._own, "process", None)
        if process is None or not process.alive:
            process = self._own.process = self._started(process)
        try:
            answer, refusal = process.request(function, arguments)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            if process.kill() in _CRASHES:
                raise HttpError(
                    413, "the message takes too much memory to read, or cannot be read at all."
                ) from error
            raise HttpError(
                503, "the process that read the message was ended. Try again.", retry_after=1
            ) from error
        if refusal is not None:
            raise HttpError(*refusal)
        return cast("T", answer)

    def _started(self, old: _Process | None) -> _Process:
        try:
            process = _Process()
        except OSError as error:  # e.g. the limit of processes is reached
            log.error("no process can be started to read a message (%s)", kind_and_line(error))
            raise HttpError(
                503, "no process can be started to read the message. Try again.", retry_after=1
            ) from error
        with self._lock:
            if old is not None:
                old.kill()
                self._all.discard(old)
            self._all.add(process)
        return process


class _Process(ChildProcess):
    """One worker process."""

    def __init__(self) -> None:
        super().__init__("kerascnn.serving.http.message_worker")

    def request(
        self, function: Callable[..., Any], arguments: tuple[object, ...]
    ) -> tuple[Any, Any]:
        """Return the function's result and the arguments of the HttpError that it raised.

        Raises OSError or EOFError if the process ended. Large bytes are not copied for the pipes,
        and writing them does not hold the interpreter lock.
        """
        pickle.dump((function, arguments), self._in, pickle.HIGHEST_PROTOCOL)
        self._in.flush()
        answer: tuple[Any, Any] = pickle.load(self._out)
        return answer
