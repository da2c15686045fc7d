"""Standard output and standard error of the command line: what is written there is harmless.

Knows: that names may hold escape sequences, that a log may be full, and how output fails. Does
not know any command.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from kerascnn.printable import printable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What the system answers where output cannot be written."""


class SafeStream:
    """A text stream to which no character is written that a terminal would obey.

    Args:
        raw: The stream to write to.
        lossy: Whether what cannot be written is lost: notices must not stop the work.
        escaping: False: text comes from rich, which has colors of its own.
    """

    def __init__(self, raw: TextIO, lossy: bool, escaping: bool = True) -> None:
        self._raw, self._lossy, self._escaping = raw, lossy, escaping

    def unescaped(self) -> SafeStream:
        """Return the same stream for a writer who escapes by itself."""
        return SafeStream(self._raw, self._lossy, escaping=False)

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the stream."""
        return getattr(self._raw, name)

    def write(self, text: str) -> int:
        """Write text, its control characters as escapes."""
        safe = printable(text, keep="\n\t") if self._escaping else text
        encoding = self._raw.encoding or "utf-8"
        with suppress(OSError) if self._lossy else _as_it_is():
            self._raw.write(safe.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def close(self) -> None:
        """Leave the stream open: absl's logger closes what it does not know at exit."""
        self.flush()

    def flush(self) -> None:
        """Flush the stream."""
        with suppress(OSError) if self._lossy else _as_it_is():
            self._raw.flush()


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def safe_streams() -> Iterator[None]:
    """Make standard output and standard error safe while a command runs."""
    before = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, SafeStream(sys.stdout, lossy=False))
    sys.stderr = cast(TextIO, SafeStream(sys.stderr, lossy=True))
    try:
        yield
    finally:
        # Where a pipe was closed Click has put in its own, which are quiet to the end.
        if isinstance(sys.stdout, SafeStream) and isinstance(sys.stderr, SafeStream):
            sys.stdout, sys.stderr = before


def unescaped(stream: TextIO) -> TextIO:
    """Return a stream for a writer who has escape sequences of its own and escapes the rest."""
    return cast(TextIO, stream.unescaped()) if isinstance(stream, SafeStream) else stream


def stdin_of_paths() -> TextIO:
    """Return standard input for a list of paths."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        # File names need not be valid text; os.fsencode gives back the very bytes.
        sys.stdin.reconfigure(encoding=sys.getfilesystemencoding(), errors="surrogateescape")
    return sys.stdin


def is_full(error: OSError) -> bool:
    """Return whether standard output could not be written; a file would have its name in it."""
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
