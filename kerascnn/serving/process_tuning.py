"""Process settings that keep the event loop responsive.

Knows: the interpreter lock, the garbage collector, glibc's allocator, the limit of open files. Does
not know requests.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

_SWITCH_SECONDS = 0.001
"""Interval after which threads that decode or write JSON yield to the event loop, instead of
Python's default of 5 ms."""

_M_MMAP_THRESHOLD, _LARGE = -3, 2 << 20
"""glibc's parameter number, and allocation size in bytes from which memory is mapped directly."""

_M_TRIM_THRESHOLD, _KEPT = -1, 16 << 20
"""glibc's parameter number, and bytes of free memory that a thread keeps for the next picture."""

_FILES = 4096
"""Limit of open files: 1,000 connections, 256 handshakes and the rest. The usual default of 1,024,
or 256 on macOS, would be exhausted, and no client could connect."""


def tune_process() -> None:
    """Apply the settings that must precede loading."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    _raise_limit_of_files()
    if sys.platform == "linux":
        # A growing body in mapped memory is remapped, not copied, and returned to the system
        # afterwards: copying 15 MB into memory that must be cleared first takes 10 to 20 ms.
        # With this threshold set, glibc would also return all other free memory immediately, and
        # each picture's memory would be cleared again, a third of the time of decoding.
        with suppress(OSError, AttributeError):  # not glibc
            glibc = ctypes.CDLL(None)
            glibc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
            glibc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _raise_limit_of_files() -> None:
    """Raise the limit of open files as far as is allowed without privileges."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no limit; or not allowed
        import resource

        limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
        if limit != resource.RLIM_INFINITY and limit < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def freeze_imports() -> None:
    """Exclude all current objects from garbage collection.

    They are permanent, and each full collection would scan them for about 20 ms, which blocks the
    event loop.
    """
    gc.collect()
    gc.freeze()
