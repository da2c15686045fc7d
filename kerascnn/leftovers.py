"""Removes temporary files and folders that killed processes left behind.

Knows: their names and locks. Does not know their content.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kerascnn.errors import KerascnnError
from kerascnn.file_lock import locked, try_to_lock
from kerascnn.files import (
    MARK,
    atomic_write,
    is_special,
    is_temporary,
    temporary_prefix,
    writing,
)

_FOLDER, _IN_USE = "kerascnn-", ".kerascnn-in-use"
"""Prefix of temporary folders, and name of the lock file in each, which its process holds."""


def remove_leftovers(folder: str | Path) -> None:
    """Delete the temporary files of :func:`kerascnn.files.atomic_write` of killed processes.

    No other process may be writing in the folder.
    """
    for path in Path(folder).glob(f".*{MARK}*"):
        if is_temporary(path.name):
            _remove_file(path)


@contextmanager
def exclusive_atomic_write(path: str | Path) -> Iterator[Path]:
    """Write like :func:`atomic_write`, one process at a time; removes files of killed processes.

    Raises:
        KerascnnError: As for :func:`atomic_write`; or the folder does not support locks.
    """
    target = Path(os.path.realpath(path))
    if is_special(target):
        with atomic_write(path) as temporary:
            yield temporary
        return
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    # Also a temporary name, so that the next process removes it if this one is killed.
    lock = target.with_name(f"{temporary_prefix(target)}exported{MARK}.lock")
    with locked(lock, wait=True):
        for left in target.parent.iterdir():
            ours = left.name.startswith(temporary_prefix(target)) and left.suffix == target.suffix
            if ours and is_temporary(left.name):
                _remove_file(left)
        with atomic_write(path) as temporary:
            yield temporary


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed at the end, or by the next process if this one is killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError, KerascnnError):  # already removed, or another user's
            _remove_abandoned(left)
    with tempfile.TemporaryDirectory(prefix=_FOLDER) as name:
        folder = Path(name)
        with locked(folder / _IN_USE):
            yield folder


def _remove_abandoned(folder: Path) -> None:
    """Remove a temporary folder of kerascnn and of this user that no process holds."""
    mark = folder / _IN_USE
    if folder.is_symlink() or not mark.is_file() or mark.is_symlink():
        return
    if hasattr(os, "getuid") and mark.stat().st_uid != os.getuid():
        return
    descriptor = try_to_lock(mark)
    if descriptor is not None:
        os.close(descriptor)
        shutil.rmtree(folder)


def _remove_file(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        path.unlink(missing_ok=True)
