"""Packs that are kept from one run to the next, so that the second run starts at once.

Knows: what makes two packs the same, and a folder of limited size, which other users may share and
in which other things may lie. Does not know how pictures are decoded.

Nothing is removed but packs, file by file, and nothing is found through a link. Pixels are compared
with their digest each time a pack is opened (0.6 s of one processor for a gigabyte, where it has
instructions for SHA-256).
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL

from kerascnn import images
from kerascnn.dataset import Split
from kerascnn.environment import environment_number
from kerascnn.errors import KerascnnError
from kerascnn.files import cannot_write, is_temporary, locked, preallocate, umask, write_text

log = logging.getLogger(__name__)

FORMAT = 1
"""To be raised when :mod:`kerascnn.images` makes other pixels of the same file."""

VARIABLE = "KERASCNN_CACHE"
"""Environment variable with the folder, in place of the user's cache folder."""

LIMIT_VARIABLE = "KERASCNN_CACHE_LIMIT"
"""Environment variable with the limit, in gigabytes."""

LIMIT = 20.0
"""Gigabytes (10**9 bytes), unless told otherwise."""

NO_CACHE = "none"

UInt8Array: TypeAlias = npt.NDArray[np.uint8]

_IMAGES, _ABOUT, _MARK = "images", "about.json", ".kerascnn-pack"
"""All that lies in a pack. The mark, an empty file, is there from the beginning."""

_PACK, _BEGUN = re.compile("[0-9a-f]{64}"), re.compile(r"\.([^.]+)(\.[^.]+)?\.tmp")
"""Names of packs, and of those that are being made; the second with the key in it."""

_PASSED_OVER = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP),
    *(errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP),
}
"""What the operating system says of a folder that is somebody else's, or knows no locks."""

_DAMAGED = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""What reading a damaged pack raises."""

_LONGEST = 1 << 28
"""Bytes of the description of a pack: it names every broken picture."""


@dataclass(frozen=True)
class Sized:
    """The pictures of a split, decoded and sized.

    Attributes:
        images: uint8 ``[pictures, size, size, 3]``; those that cannot be read are not in it.
        broken: Why, by their number in the split.
        digest: SHA-256 of the images in hexadecimal.
    """

    images: UInt8Array
    broken: dict[int, str]
    digest: str


@dataclass(frozen=True)
class Entry:
    """A kept pack.

    Attributes:
        folder: Where it lies.
        pictures: Number of pictures.
        size: Height and width, in pixels.
        bytes: On the disk.
        used: When it was last used, in seconds since 1970.
    """

    folder: Path
    pictures: int
    size: int
    bytes: int
    used: float


def pack_key(split: Split, size: int | images.Shape, resize: images.ResizeRule) -> str:
    """Hash all that decides on the pixels of a pack: every file, and every option.

    Args:
        split: Its labels do not matter.
        size: In pixels: height and width, or one number for both.
        resize: How pictures are resized.

    Returns:
        Hexadecimal.
    """
    digest = hashlib.sha256(f"{FORMAT} {PIL.__version__} {size} {resize} {len(split)}".encode())
    for index in range(len(split)):
        digest.update(split.pictures.stamp(index) + b"\n")
    return digest.hexdigest()


def pixels_digest(pictures: UInt8Array) -> str:
    """Hash the pixels of a pack, SHA-256 in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()


class PackCache:
    """A folder of packs.

    Args:
        folder: Made if need be.
        limit: In bytes; the packs that were not used for longest go first.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def pictures(
        self, key: str, shape: tuple[int, ...], fill: Callable[[UInt8Array], dict[int, str]]
    ) -> Sized | None:
        """Return a pack, from the folder if it is there; else make it and keep it.

        Two processes that need the same pack at once make it once.

        Args:
            key: Key from :func:`pack_key`.
            shape: ``[pictures, size, size, 3]``.
            fill: Fills an array of that shape from its start, and tells which pictures are
                broken.

        Returns:
            The pack, mapped into memory; None if it is larger than the limit, or if the folder is
            somebody else's.

        Raises:
            KerascnnError: The folder cannot be made, or the disk is full.
        """
        found = _open(self.folder / key)
        if found is not None:
            return found
        if math.prod(shape) > self.limit:
            log.warning(
                "the resized pictures take %.1f GB and are not cached: the limit is %.1f (%s).",
                math.prod(shape) / 1e9,
                self.limit / 1e9,
                LIMIT_VARIABLE,
            )
            return None
        try:
            _make_folder(self.folder)
            with locked(self.folder / f"{key}.lock", wait=True):
                return _open(self.folder / key) or self._make(key, shape, fill)
        except KerascnnError as error:
            if getattr(error.__cause__, "errno", None) not in _PASSED_OVER:
                raise
            log.warning(
                "%s: continues without caching the resized pictures. %s", self.folder, error
            )
            return None

    def entries(self) -> list[Entry]:
        """List the packs, the last used first."""
        return sorted(self._entries(), key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Remove all packs, begun and damaged ones too; gives the bytes that were freed."""
        packs = [path for path in _listed(self.folder) if _PACK.fullmatch(path.name)]
        return sum(map(_remove, packs)) + self._clear_begun()

    def _clear_begun(self, held: str | None = None) -> int:
        """Remove what processes that were killed had begun; those that still write hold a lock.

        Args:
            held: The key whose lock this process holds.
        """
        freed = 0
        for path in _listed(self.folder):
            begun = _BEGUN.fullmatch(path.name)
            if begun and begun[1] == held:
                freed += _remove(path)
            elif begun and _is_ours(path):
                with suppress(KerascnnError), locked(self.folder / f"{begun[1]}.lock"):
                    freed += _remove(path)
        return freed

    def _make(
        self, key: str, shape: tuple[int, ...], fill: Callable[[UInt8Array], dict[int, str]]
    ) -> Sized:
        self._clear_begun(held=key)
        self._make_room(math.prod(shape))
        beginning = None
        try:
            # Of a name that nobody can foresee, and nobody else's.
            beginning = Path(tempfile.mkdtemp(dir=self.folder, prefix=f".{key}.", suffix=".tmp"))
            (beginning / _MARK).touch()
            preallocate(beginning / _IMAGES, math.prod(shape))
            array = np.memmap(beginning / _IMAGES, np.uint8, "r+", shape=shape)
            broken = fill(array)
            array.flush()
            kept = array[: shape[0] - len(broken)]
            found = Sized(kept, broken, pixels_digest(kept))
            if len(kept):  # else every picture is broken: nothing is worth keeping
                write_text(beginning / _ABOUT, _described(found))
                beginning.chmod(0o777 & ~umask())
                self._put(beginning, key)
            return found
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        finally:
            if beginning is not None:
                _remove(beginning)

    def _put(self, beginning: Path, key: str) -> None:
        """Rename a pack into place; where that fails, it serves this process alone."""
        _remove(self.folder / key)  # one that was damaged
        try:
            beginning.rename(self.folder / key)
        except OSError as error:
            reason = error.strerror or error
            log.warning("%s: the pack is not cached (%s).", self.folder / key, reason)

    def _make_room(self, needed: int) -> None:
        held = self.entries()
        total = needed + sum(entry.bytes for entry in held)
        while held and total > self.limit:
            oldest = held.pop()
            # A process that uses it goes on: the mapping keeps the file. Windows refuses.
            _remove(oldest.folder)
            total -= oldest.bytes

    def _entries(self) -> Iterator[Entry]:
        for path in _listed(self.folder):
            with suppress(*_DAMAGED):  # told by the run that needs it
                found = _described_in(path) if _PACK.fullmatch(path.name) else None
                if found is None:
                    continue
                count, size = found["shape"][:2]
                used = (path / _ABOUT).stat().st_mtime
                yield Entry(path, count, size, (path / _IMAGES).stat().st_size, used)


def open_cache(folder: str | None) -> PackCache | None:
    """Open the cache, which holds as much as ``KERASCNN_CACHE_LIMIT`` says.

    Args:
        folder: None: what the environment variable ``KERASCNN_CACHE`` says, or else the user's
            cache folder; ``none``: no cache.

    Returns:
        The cache, or None if there shall be none.

    Raises:
        ConfigError: The limit is not a number from 0.
    """
    chosen = folder or os.environ.get(VARIABLE)
    if chosen == NO_CACHE:
        return None
    limit = int(environment_number(LIMIT_VARIABLE, LIMIT, 0, "gigabytes") * 1e9)
    if chosen:
        return PackCache(Path(chosen) / "packs", limit)
    import platformdirs

    return PackCache(platformdirs.user_cache_path("kerascnn") / "packs", limit)


def _open(folder: Path) -> Sized | None:
    """Open a pack and compare its pixels with their digest; None: it is not there, or damaged."""
    try:
        about = _described_in(folder)
        if about is None:
            return None
        with _unlinked(folder / _IMAGES) as file:
            array = np.memmap(file, np.uint8, "r", shape=tuple(about["shape"]))
        broken = {int(index): str(reason) for index, reason in about["broken"]}
        if pixels_digest(array) != about["digest"]:
            raise ValueError("its pixels are not those that were written")
    except _DAMAGED as error:
        log.warning("%s: a cached pack cannot be used (%s); it is rebuilt.", folder, error)
        return None
    with suppress(OSError):  # another user's
        os.utime(folder / _ABOUT)
    return Sized(array, broken, str(about["digest"]))


def _described(pack: Sized) -> str:
    broken = [[index, reason] for index, reason in pack.broken.items()]
    return json.dumps({"shape": pack.images.shape, "broken": broken, "digest": pack.digest})


def _described_in(folder: Path) -> dict[str, Any] | None:
    """Read what a pack says about itself; None: it is no pack. Raises one of _DAMAGED."""
    if not _is_ours(folder) or not (folder / _ABOUT).exists():
        return None
    with _unlinked(folder / _ABOUT) as file:
        about: dict[str, Any] = json.loads(file.read(_LONGEST))
    shape, size = about["shape"], (folder / _IMAGES).stat().st_size
    whole = all(type(side) is int and side > 0 for side in shape) and len(shape) == 4
    if not whole or math.prod(shape) > size:
        raise ValueError(f"{size:,} bytes for pictures of shape {shape}")
    return {**about, "broken": list(about["broken"]), "digest": str(about["digest"])}


def _unlinked(path: Path) -> BinaryIO:
    """Open a file for reading, but through no link."""
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_ours(folder: Path) -> bool:
    """Return whether a folder is a pack, perhaps a begun one, and nothing but that."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        with os.scandir(folder) as files:
            names = {file.name for file in files if file.is_file(follow_symlinks=False)}
        with os.scandir(folder) as files:
            others = {file.name for file in files} - names
    except OSError:
        return False
    known = {name for name in names if name in (_IMAGES, _ABOUT, _MARK) or is_temporary(name)}
    # Packs of earlier versions have no mark, but always their pixels.
    return not others and names == known and (_MARK in names or _IMAGES in names)


def _remove(folder: Path) -> int:
    """Remove a pack, and nothing that is none; gives the bytes that were freed."""
    if not _is_ours(folder):
        return 0
    freed = 0
    with suppress(OSError):  # another user's; or on Windows, in use
        # The mark last: who is killed here leaves what is still known as a pack.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == _MARK):
            size = path.stat().st_size
            path.unlink()
            freed += size if path.name == _IMAGES else 0
        folder.rmdir()
    return freed


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
