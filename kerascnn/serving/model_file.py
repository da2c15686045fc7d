"""A model's file on disk: whether it was replaced, and which version it is.

Knows: the ``.onnx`` file and the files with weights beside it. Does not know how they are opened.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kerascnn.errors import ModelFileError
from kerascnn.files import reading
from kerascnn.inference.model_file.external_data import files_beside

Stamp = tuple[int, ...]
"""Device, inode, size and times of change: another file has another one. One that is overwritten
in place by ``cp -p`` or ``rsync -t`` may have the old size and time, but not the inode's time."""

Signature = tuple[Stamp | None, ...]
"""Of the ``.onnx`` file and of those beside it; None: it is not there."""

_CHUNK = 1 << 20
"""Bytes hashed at a time: weights may not fit in memory twice."""


class ModelFile:
    """One model's file, and the weights beside it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._beside: tuple[Path, ...] = ()

    def find_companions(self) -> None:
        """Find out which files lie beside it; it may have been replaced since.

        Raises:
            ModelFileError: No such file, or not a whole ONNX file.
        """
        self._beside = files_beside(self.path)

    @property
    def exists(self) -> bool:
        """Whether the ``.onnx`` file is there."""
        return _stamp(self.path) is not None

    def signature(self) -> Signature:
        """Return what changes when the file changes, without reading it."""
        return tuple(map(_stamp, (self.path, *self._beside)))

    def version(self) -> str:
        """Return the first 12 digits of the SHA-256 of all that it is made of.

        Raises:
            ModelFileError: A file is not there, or cannot be read.
        """
        digest = hashlib.sha256()
        _add(digest, self.path)
        for path in self._beside:
            # The names and lengths too: else weights could move from one file to the next unseen.
            digest.update(f"\0{path.name}\0".encode("utf-8", "surrogateescape"))
            digest.update(f"{_add(digest, path)}\0".encode())
        return digest.hexdigest()[:12]


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _add(digest: hashlib._Hash, path: Path) -> int:
    """Add a file's content, and give its length."""
    if path.exists() and not path.is_file():
        raise ModelFileError(f"{path}: not a regular file. Expected one with weights.")
    length = 0
    with reading(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            length += len(chunk)
    return length
