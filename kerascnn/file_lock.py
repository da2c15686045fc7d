"""A lock that one process at a time holds, released however the process ends.

Knows: lock files, on POSIX and Windows. Does not know what is guarded by them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kerascnn.errors import BusyError
from kerascnn.files import cannot_write

_POLL = 0.2
"""Seconds between two tries to get a lock that another process holds."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Not on Windows."""


@contextmanager
def locked(path: str | Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock that is released when its process ends, however it ends.

    Args:
        path: A file that is made for the lock and removed after it. Its folder must exist.
        wait: Until whoever holds the lock is done.

    Raises:
        BusyError: Another process holds it, and ``wait`` is False.
        KerascnnError: The folder cannot be written, or knows no locks.
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
        # Removed first: whoever opened it in the meantime sees that it is gone, and tries again.
        with suppress(OSError):  # Windows keeps the names of open files
            target.unlink()
        os.close(descriptor)


def try_to_lock(path: Path) -> int | None:
    """Make and lock a file; the lock is held until the descriptor is closed.

    Returns:
        Its descriptor; None: another process holds the lock.

    Raises:
        KerascnnError: It cannot be made, or its folder knows no locks.
    """
    while True:
        try:
            # Through no link: the name can be foreseen, and a link may lead anywhere.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        except OSError as error:
            raise cannot_write(path, error) from error
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
    """Return whether a name still leads to an open file: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
