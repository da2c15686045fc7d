"""A model's file on disk: detects replacement, and computes its version.

Knows: the ``.onnx`` file and the weight files beside it. Does not know how they are opened.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kerascnn.errors import ModelFileError
from kerascnn.files import reading
from kerascnn.inference.model_file.external_data import files_beside

Stamp = tuple[int, ...]
"""Device, inode, size, and times of modification and status change, which differ for another file.
A file overwritten in place by ``cp -p`` or ``rsync -t`` may keep its size and modification time,
but not the time of status change."""

Signature = tuple[Stamp | None, ...]
"""Stamps of the ``.onnx`` file and of its weight files; None for a missing file."""


class ModelFile:
    """The file of a model, and the weight files beside it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._beside: tuple[Path, ...] = ()

    def find_companions(self) -> None:
        """Update the list of weight files, which may have changed with the ``.onnx`` file.

        Raises:
            ModelFileError: No such file, or not a whole ONNX file.
        """
        self._beside = files_beside(self.path)

    @property
    def exists(self) -> bool:
        """Whether the ``.onnx`` file exists."""
        return _stamp(self.path) is not None

    def signature(self) -> Signature:
        """Return the stamps of all files, which change with the files, without reading them."""
        return tuple(map(_stamp, (self.path, *self._beside)))

    def version(self) -> str:
        """Return the first 12 hexadecimal digits of the SHA-256 of all files.

        Raises:
            ModelFileError: A file is missing, or cannot be read.
        """
        digest = hashlib.sha256()
        _add(digest, self.path)
        for path in self._beside:
            # With names and lengths, so that moving weights between files changes the hash.
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
    """Add a file's content to the hash, and return its length."""
    if path.exists() and not path.is_file():
        raise ModelFileError(f"{path}: not a regular file. Expected one with weights.")
    with reading(path), path.open("rb") as file:
        hashlib.file_digest(file, lambda: digest)
        return file.tell()
