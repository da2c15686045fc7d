"""A Python worker process with pipes.

Knows: how it is started and stopped, on both sides. Does not know the protocol on the pipes, or the
limits that the process sets itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import BinaryIO, cast

GROWTH = 64 << 20
"""Growth of memory in bytes after which a worker process exits between two jobs, to be replaced."""

_START = "import sys; sys.path[:] = {path!r}; from {module} import main; main()"
"""Code for the new interpreter, with the import path of this process, so that it imports the same
package."""


class ChildProcess:
    """A worker process: a new interpreter that runs ``main`` of a module until stdin ends."""

    def __init__(self, module: str) -> None:
        path = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 - "" is the folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=path, module=module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # One thread per process, because libraries reserve memory for every thread.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is handled by the parent
        )
        self._in = cast("BinaryIO", self._process.stdin)
        self._out = cast("BinaryIO", self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def kill(self) -> int:
        """Kill the process and return its exit code, negative if a signal ended it."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._in, self._out):
            with suppress(OSError):
                pipe.close()
        return code


def pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the input and output pipes, in the child."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keep output of libraries out of the pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    return source, target
