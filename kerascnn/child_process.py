"""A Python process of our own that is asked through pipes.

Knows: how it is started and ended on both sides. Does not know what it is asked, nor the limits
that it sets itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import BinaryIO, cast

GROWTH = 64 << 20
"""Bytes by which such a process may have grown between questions; then it ends, for a fresh one."""

_START = "import sys; sys.path[:] = {path!r}; from {module} import main; main()"
"""What the new interpreter runs: with this process' import path, so that it finds the same
package."""


class ChildProcess:
    """One process.

    Args:
        module: Has a function ``main``, which answers until its stdin ends.
    """

    def __init__(self, module: str) -> None:
        path = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 - "" is the folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=path, module=module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # One thread of one question; and libraries reserve memory for every processor.
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
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._in, self._out):
            with suppress(OSError):
                pipe.close()
        return code


def pipes() -> tuple[BinaryIO, BinaryIO]:
    """In the child: return where questions come from, and where answers go."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides
    return source, target
