"""Settings of the server's process that keep its event loop answering.

Knows: the interpreter's lock, its garbage collector, glibc's allocator, the limit of open files.
Does not know requests.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

_SWITCH_SECONDS = 0.001
"""How often threads that decode or write JSON let the event loop in; Python's own: 5 ms."""

_M_MMAP_THRESHOLD, _LARGE = -3, 2 << 20
"""glibc's number of the parameter, and bytes from which on memory is the system's own."""

_M_TRIM_THRESHOLD, _KEPT = -1, 16 << 20
"""Its number, and bytes of free memory that a thread keeps for the next picture."""

_FILES = 4096
"""Files that may be open: 1,000 connections, 256 handshakes and all the rest. Most systems give
1,024 to those who do not ask, and macOS 256; then nobody could connect any more."""


def tune_process() -> None:
    """Set what can be set before anything is loaded."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    _raise_limit_of_files()
    if sys.platform == "linux":
        # A body that grows is moved by the system, not copied, and its memory goes back when it is
        # done with: copying 15 MB into memory that must be cleared first takes 10 to 20 ms.
        # glibc then gives back everything else at once, too, unless it is told not to: every
        # picture's memory would be cleared again, a third of the time that decoding takes.
        with suppress(OSError, AttributeError):  # not glibc
            glibc = ctypes.CDLL(None)
            glibc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
            glibc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _raise_limit_of_files() -> None:
    """Raise it as far as it may be raised without asking anybody."""
    with suppress(ImportError, OSError, ValueError):  # Windows, which has none; or not allowed
        import resource

        limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
        if limit != resource.RLIM_INFINITY and limit < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def freeze_imports() -> None:
    """Let the garbage collector leave out what there is by now.

    It stays for good; looking through it takes some 20 ms each time, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
