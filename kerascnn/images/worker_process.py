"""Client of one worker process that decodes pictures.

Knows: the protocol on its pipes, and how it is killed. Does not know the pool
(:mod:`kerascnn.images.worker_pool`), or how the process decodes (:mod:`kerascnn.images.worker`).
"""

from __future__ import annotations

import json
import pickle
import signal
import struct
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from kerascnn.child_process import ChildProcess
from kerascnn.images.limits import PATIENCE
from kerascnn.images.resizing import UInt8Array

GIVEN_UP = 1 << 8
"""Pseudo exit code of a process that was killed after a timeout; real ones are smaller."""


class WorkerProcess(ChildProcess):
    """One worker process."""

    def __init__(self) -> None:
        super().__init__("kerascnn.images.worker")
        self.between = True  # between two jobs, not in the middle of one
        self.given_up = False

    def kill(self) -> int:
        """Kill the process and return its exit code, negative if a signal ended it."""
        # A process that just closed its pipes gets time to exit with its own code.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.0 if self.between else 0.1)
        return super().kill()

    def ask(
        self, job: dict[str, Any], content: bytes, accept: Callable[[int, int], object] | None
    ) -> tuple[dict[str, Any], UInt8Array | None]:
        """Process a picture; raises OSError or EOFError if the process ended."""
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


def describe_exit(code: int) -> str:
    """Describe how a process ended."""
    if code == GIVEN_UP:
        return f"it took more than {PATIENCE:g} s"
    if code == -getattr(signal, "SIGPROF", 27):
        return "it takes too much time"
    if code < 0:
        return f"the process that decoded it was ended by signal {-code}"
    return f"the process that decoded it ended with code {code}"
