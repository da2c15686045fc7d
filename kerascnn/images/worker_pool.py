"""Processes that decode what is large or doubtful, and that can be killed.

Knows: how many there may be, how much memory all of them may take at once, how one is asked, and
what its end means. Does not know which pictures come here (:mod:`kerascnn.images.read`).

A process works on one picture at a time, so its end is the end of no other. Its memory and its
processor time are limited by the operating system (memory on Linux, time wherever there are
signals); it gets and gives everything through pipes, so there are no files to leave behind.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

import numpy as np

from kerascnn.errors import ConfigError, PictureError
from kerascnn.images.limits import BYTES, BYTES_EACH, PATIENCE
from kerascnn.images.sizing import UInt8Array
from kerascnn.parallel import usable_cpus

Reduce = Callable[[UInt8Array], UInt8Array]
"""Makes little of much, right where the pixels are; a function of a module, perhaps partial."""

_START = "import sys; sys.path[:] = {path!r}; from kerascnn.images.worker import main; main()"

_RETRIED = (-getattr(signal, "SIGKILL", 9), -signal.SIGTERM, 0)
"""Ends that are not the picture's doing: somebody wanted memory back, or it had grown."""

_GIVEN_UP = 1 << 8
"""Stands for the exit code of a process that was given up; no process has it."""

_TRIES = 4
"""One with too little memory, and a few with processes that had come to such an end."""


class Workers:
    """A few processes, started when they are needed.

    Args:
        count: Largest number.
        memory: Bytes that pictures may take in all of them at once.
    """

    def __init__(self, count: int, memory: int) -> None:
        self._owner = os.getpid()
        self._free = threading.Condition()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._count, self._memory, self._busy = count, memory, 0
        self._stopped = False

    def ask(
        self,
        job: dict[str, Any],
        content: bytes,
        estimate: int,
        accept: Callable[[int, int], object] | None = None,
    ) -> tuple[dict[str, Any], UInt8Array | None]:
        """Process one picture, waiting for a free process.

        Args:
            job: What :mod:`kerascnn.images.worker` takes.
            content: The file, if it is not a path.
            estimate: Bytes it will take, as far as one can tell; it gets more if need be.
            accept: Called with height and width; may raise.

        Returns:
            The answer, and its pixels.

        Raises:
            PictureError: It takes too long or too much memory, or ended the process.
        """
        needed = min(estimate, BYTES, self._memory)
        for _ in range(_TRIES):
            with self._room(needed):
                answer, pixels, code = self._asked({**job, "bytes": needed}, content, accept)
            if answer.get("kind") == "memory" and needed < BYTES:
                needed = min(BYTES, self._memory)
            elif answer or code not in _RETRIED:
                break
        name = job["name"]
        if answer.get("kind") == "memory":
            raise PictureError(
                f"{name}: not enough memory to decode it: more than the {needed >> 20} MB that one "
                "picture may take. Make it smaller first."
            )
        if not answer:
            raise PictureError(f"{name}: cannot decode ({_ending(code)}). Save it again.")
        return answer, pixels

    def start(self) -> None:
        """Start one, so that the first picture need not wait for it."""
        with self._room(0), self._worker():
            pass

    def stop(self) -> None:
        """Kill all of them; those who wait for an answer get an error."""
        with self._free:
            self._stopped = True
            everyone = list(self._all)
            self._free.notify_all()
        if self._owner == os.getpid():  # after a fork they are another's
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
                return {}, None, _GIVEN_UP if worker.given_up else code

    @contextmanager
    def _room(self, needed: int) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: self._stopped or needed <= self._memory)
            self._memory -= needed
        try:
            yield
        finally:
            with self._free:
                self._memory += needed
                self._free.notify_all()

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """Lend a process; one that ended meanwhile, or in the middle of an answer, is let go."""
        with self._free:
            self._free.wait_for(lambda: self._stopped or self._busy < self._count)
            if self._stopped:
                raise PictureError("picture: not decoded, since the process is about to end.")
            self._busy += 1
            worker = self._idle.pop() if self._idle else None
        try:
            if worker is None or not worker.alive:
                worker = _Worker()
                with self._free:
                    self._all.add(worker)
            yield worker
        except BaseException:
            if worker is not None and not worker.between:
                worker.kill()
            raise
        finally:
            with self._free:
                self._busy -= 1
                if worker is not None and worker.alive and not self._stopped:
                    self._idle.append(worker)
                elif worker is not None:
                    worker.kill()
                    self._all.discard(worker)
                self._free.notify_all()


class _Worker:
    """One process."""

    def __init__(self) -> None:
        self.between = True  # answers, not in the middle of one
        self.given_up = False
        path = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 - "" is the folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # One thread of one picture; and libraries reserve memory for every processor.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the process that asks
        )
        self._in = cast("BinaryIO", self._process.stdin)
        self._out = cast("BinaryIO", self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def kill(self) -> int:
        """End it, whatever it does; gives its exit code, negative if a signal ended it."""
        # One that ends by itself tells why; it closed its pipes a moment ago.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.0 if self.between else 0.1)
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._in, self._out):
            with suppress(OSError):
                pipe.close()
        return code

    def ask(
        self, job: dict[str, Any], content: bytes, accept: Callable[[int, int], object] | None
    ) -> tuple[dict[str, Any], UInt8Array | None]:
        """Process a picture; OSError or EOFError: the process ended."""
        giving_up = threading.Timer(PATIENCE, self._give_up)
        giving_up.daemon = True
        giving_up.start()
        self.between = False
        try:
            words = pickle.dumps({**job, "accept": accept is not None})
            self._in.write(struct.pack("<II", len(words), len(content)) + words)
            self._in.write(content)
            self._in.flush()
            answer = self._line()
            if accept is not None and "height" in answer:
                self._accept(answer, accept)
                answer = self._line()
            pixels = self._pixels(answer["shape"]) if "shape" in answer else None
            self.between = True
            return answer, pixels
        finally:
            giving_up.cancel()

    def _give_up(self) -> None:
        self.given_up = True
        self._process.kill()

    def _accept(self, answer: dict[str, Any], accept: Callable[[int, int], object]) -> None:
        try:
            accept(int(answer["height"]), int(answer["width"]))
        except BaseException:
            self._say(b"n")
            self.between = True
            raise
        self._say(b"y")

    def _say(self, word: bytes) -> None:
        self._in.write(word)
        self._in.flush()

    def _line(self) -> dict[str, Any]:
        line = self._out.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _pixels(self, shape: list[int]) -> UInt8Array:
        pixels = np.empty(shape, np.uint8)
        view, place = memoryview(pixels.reshape(-1).data), 0
        while place < len(view):
            count = self._out.readinto(view[place:])  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            place += count
        return pixels


def _ending(code: int) -> str:
    if code == _GIVEN_UP:
        return f"it took more than {PATIENCE:g} s"
    if code == -getattr(signal, "SIGPROF", 27):
        return "it takes too much time"
    if code < 0:
        return f"the process that decoded it was ended by signal {-code}"
    return f"the process that decoded it ended with code {code}"


_lock = threading.Lock()
_workers: Workers | None = None


def workers() -> Workers:
    """Return the processes of this one; a forked process gets its own."""
    global _workers
    with _lock:
        if _workers is None or _workers._owner != os.getpid():
            count = usable_cpus()
            _workers = Workers(count, max(BYTES, count * BYTES_EACH))
        return _workers


@atexit.register
def stop() -> None:
    """End all of them; the next picture that needs one starts anew."""
    global _workers
    with _lock:
        ending, _workers = _workers, None
    if ending is not None:
        ending.stop()


def unpacked(answer: dict[str, Any], pixels: UInt8Array | None) -> UInt8Array:
    """Return the pixels of an answer, or raise what it says.

    Args:
        answer: Answer from :meth:`Workers.ask`.
        pixels: Likewise.

    Raises:
        PictureError: The picture cannot be decoded.
        ConfigError: What is asked for cannot be made of any picture.
    """
    if pixels is not None:
        return pixels
    kinds: dict[str, type[Exception]] = {"picture": PictureError, "config": ConfigError}
    raise kinds.get(answer["kind"], RuntimeError)(answer["error"])
