"""Writes the access log without blocking on its reader.

Knows: threads and streams. Does not know what is logged (:mod:`kerascnn.serving.request_log`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TextIO

_LINES = 10_000
"""Capacity of the queue, in lines of about 320 bytes, so 3 MB; beyond it lines are dropped, because
the reader may be slow."""


class AccessLog:
    """Writes lines in a separate thread, so that a slow reader does not delay requests."""

    def __init__(self, stream: TextIO) -> None:
        self.lost: Callable[[], object] = lambda: None
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(_LINES)
        self._thread = threading.Thread(target=self._work, name="access log", daemon=True)

    def __enter__(self) -> AccessLog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._lines.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(1)

    def write(self, line: str) -> None:
        """Queue a line; it is dropped if the queue is full."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.lost()

    def _write(self, text: str) -> None:
        binary = getattr(self._stream, "buffer", None)
        if binary is None:  # as in tests and notebooks
            self._stream.write(text)
            self._stream.flush()
            return
        # JSON is UTF-8, whatever the encoding of stdout; lone surrogates are escaped.
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        # Unbuffered: flushing what nobody reads would fail again at exit, with exit code 120.
        raw = getattr(binary, "raw", binary)
        while left:
            if (written := raw.write(left)) is None:
                raise BlockingIOError
            left = left[written:]

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            lines = [line]
            try:
                while (more := self._lines.get_nowait()) is not None:
                    lines.append(more)
            except queue.Empty:
                more = ""
            try:
                self._write("".join(f"{one}\n" for one in lines))
            except (OSError, ValueError):  # the reader is gone
                self.lost()
            if more is None:
                return
