"""Writing the access log without waiting for whoever reads it.

Knows: threads and streams. Does not know what a line says (:mod:`kerascnn.serving.request_log`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TextIO

_LINES = 10_000
"""Lines of the access log that wait to be written; whoever reads it may be slow."""


class AccessLog:
    """Writes lines in a thread of its own, so that a slow reader delays nobody."""

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
        """Queue a line; it is dropped if too many wait."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.lost()

    def _write(self, text: str) -> None:
        binary = getattr(self._stream, "buffer", None)
        if binary is None:  # a test's, or a notebook's
            self._stream.write(text)
        else:
            # JSON is UTF-8, whatever stdout was made for; a lone half of a character is an escape.
            binary.write(text.encode("utf-8", "backslashreplace"))
        self._stream.flush()

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
            except (OSError, ValueError):  # nobody reads it any longer
                self.lost()
            if more is None:
                return
