"""Safe standard output and standard error for the command line.

Knows: that names may contain escape sequences, that a disk may be full, and how output fails. Does
not know any command.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TextIO, cast

from kerascnn.printable import printable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Error codes for output that cannot be written."""


class SafeStream:
    """A text stream that escapes control characters.

    ``lossy``: ignore write errors, so that failing messages do not stop the work. ``escaping``:
    False for text from rich, which contains colors.
    """

    def __init__(self, raw: TextIO, lossy: bool, escaping: bool = True) -> None:
        self._raw, self._lossy, self._escaping = raw, lossy, escaping

    def unescaped(self) -> SafeStream:
        """Return the same stream without escaping, for a writer that escapes itself."""
        return SafeStream(self._raw, self._lossy, escaping=False)

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the stream."""
        return getattr(self._raw, name)

    def write(self, text: str) -> int:
        """Write text with control characters escaped."""
        safe = printable(text, keep="\n\t") if self._escaping else text
        encoding = self._raw.encoding or "utf-8"
        with suppress(OSError) if self._lossy else nullcontext():
            self._raw.write(safe.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def close(self) -> None:
        """Flush but leave the stream open, because absl's logger closes unknown streams at exit."""
        self.flush()

    def flush(self) -> None:
        """Flush the stream."""
        with suppress(OSError) if self._lossy else nullcontext():
            self._raw.flush()


@contextmanager
def safe_streams() -> Iterator[None]:
    """Replace standard output and standard error by safe streams within a block."""
    before = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, SafeStream(sys.stdout, lossy=False))
    sys.stderr = cast(TextIO, SafeStream(sys.stderr, lossy=True))
    try:
        yield
    finally:
        # If a pipe was closed, Click has installed its own streams, which ignore errors at exit.
        if isinstance(sys.stdout, SafeStream) and isinstance(sys.stderr, SafeStream):
            sys.stdout, sys.stderr = before


def unescaped(stream: TextIO) -> TextIO:
    """Return a stream for a writer with its own escape sequences, which escapes the rest itself."""
    return cast(TextIO, stream.unescaped()) if isinstance(stream, SafeStream) else stream


def stdin_of_paths() -> TextIO:
    """Return standard input for a list of paths."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        # File names need not be valid text; os.fsencode restores the exact bytes.
        sys.stdin.reconfigure(encoding=sys.getfilesystemencoding(), errors="surrogateescape")
    return sys.stdin


def is_full(error: OSError) -> bool:
    """Return whether writing standard output failed; an error of a file would have its name."""
    return error.errno in _FULL and not error.filename


def abandon_output(error: OSError) -> None:
    """Report that output could not be written, and prevent another attempt at exit."""
    with suppress(OSError):
        sys.stderr.write(
            f"Error: standard output: cannot write ({error.strerror}). Free some space, or write "
            "to another place.\n"
        )
        sys.stderr.flush()
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
