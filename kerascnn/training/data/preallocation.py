"""Files with all of their disk space allocated, to be filled through a memory map.

Knows: how space is allocated, and that a full disk is reported before it. Does not know: pictures.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, BinaryIO, cast

from kerascnn.files import writing


def preallocate(path: str | Path, size: int) -> None:
    """Create a file of a given size, with all of its disk space allocated.

    Writing to a sparse file through a memory map kills the process when the disk is full.

    Raises:
        KerascnnError: The disk is full, or the folder cannot be written.
    """
    target = Path(path)
    with writing(target), target.open("wb") as file:
        _fill(file, size, target.parent)


def preallocate_unnamed(size: int) -> BinaryIO:
    """Create an unnamed temporary file of a given size, which cannot be left behind.

    Returns:
        The file, open for reading and writing; it disappears with the last process that has it
        open or mapped, however that ends.

    Raises:
        KerascnnError: The disk is full.
    """
    folder = Path(tempfile.gettempdir())
    with writing(folder), ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
        _fill(file, size, folder)
        stack.pop_all()
    return cast("BinaryIO", file)


def _fill(file: IO[bytes], size: int, folder: Path) -> None:
    if hasattr(os, "posix_fallocate") and size:
        os.posix_fallocate(file.fileno(), 0, size)
        return
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate(size)
