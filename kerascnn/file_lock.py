"""A lock between processes, released however the process ends.

Knows: lock files, on POSIX and Windows. Does not know what they guard.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kerascnn.errors import BusyError
from kerascnn.files import cannot_write, writing

_POLL = 0.2
"""Interval between attempts to acquire a lock that another process holds, in seconds."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Flag that refuses symbolic links; 0 on Windows, which does not have it."""


@contextmanager
def locked(path: str | Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock, which is released when the process ends, however it ends.

    The lock file is created for it, in an existing folder, and removed after it. Without ``wait``,
    it is a BusyError if another process holds the lock.

    Raises:
        BusyError: Another process holds it, and ``wait`` is False.
        KerascnnError: The folder is not writable, or does not support locks.
    """
    target = Path(path)
    while (descriptor := try_to_lock(target)) is None:
        if not wait:
            raise BusyError(
                f"{target.parent}: another process is writing here (it holds {target.name}). "
                "Wait until it is done, or choose another place."
            )
        time.sleep(_POLL)
    try:
        yield
    finally:
        # Removed before unlocking, so that a process that has already opened it tries again.
        with suppress(OSError):  # Windows cannot remove open files
            target.unlink()
        os.close(descriptor)
        if sys.platform == "win32":  # fails if another process has opened it
            with suppress(OSError):
                target.unlink()


def try_to_lock(path: Path) -> int | None:
    """Lock a file until its descriptor is closed; None if another process holds the lock.

    Raises:
        KerascnnError: It cannot be created, or its folder does not support locks.
    """
    while True:
        with writing(path):
            # Not through a link, which an attacker could place, because the name is predictable.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        try:
            _lock(descriptor)
            if _is_still(path, descriptor):
                return descriptor
            os.close(descriptor)
        except (BlockingIOError, PermissionError):  # POSIX, Windows
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            raise cannot_write(path, error) from error


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still(path: Path, descriptor: int) -> bool:
    """Return whether a path still refers to an open file; its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
