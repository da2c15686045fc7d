"""The cache of packs on disk, so that the second run on the same data starts at once.

Knows: what identifies a pack, and a folder of limited size, which may be shared with other users
and hold other files. Does not know: how pictures are decoded.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from kerascnn import images
from kerascnn.dataset import Split
from kerascnn.environment import environment_number
from kerascnn.errors import KerascnnError
from kerascnn.file_lock import locked
from kerascnn.files import umask, write_text, writing
from kerascnn.training.data.cached_pack import (
    ABOUT,
    DAMAGED,
    IMAGES,
    MARK,
    CachedPack,
    UInt8Array,
    description,
    is_pack,
    open_pack,
    pixels_digest,
    read_description,
    remove_pack,
    reopen_pack,
)
from kerascnn.training.data.preallocation import preallocate

log = logging.getLogger(__name__)

FORMAT = 2
"""Version of the cached pixels; increase it when :mod:`kerascnn.images` changes the pixels of a
file."""

VARIABLE = "KERASCNN_CACHE"
"""Environment variable for the folder of the cache, in place of the user's cache folder."""

LIMIT_VARIABLE = "KERASCNN_CACHE_LIMIT"
"""Environment variable for the size limit, in gigabytes."""

LIMIT = 20.0
"""Default size limit of the cache, in gigabytes (10**9 bytes)."""

NO_CACHE = "none"
"""Value of the folder that disables the cache."""


_PACK, _UNFINISHED = re.compile("[0-9a-f]{64}"), re.compile(r"\.([^.]+)(\.[^.]+)?\.tmp")
"""Names of packs, and of unfinished ones; the latter contain the key."""

_IGNORED_ERRORS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EISDIR),
    *(errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP),
}
"""Errors of a folder that belongs to another user or does not support locks."""


@dataclass(frozen=True)
class Entry:
    """A cached pack.

    Attributes:
        size: Height and width, in pixels.
        bytes: Size on disk.
        used: Time of last use, in seconds since 1970.
    """

    folder: Path
    pictures: int
    size: int
    bytes: int
    used: float


def pack_key(split: Split, size: int | images.Shape, resize: images.ResizeRule) -> str:
    """Hash everything that determines the pixels of a pack: every file and every option."""
    digest = hashlib.sha256(f"{FORMAT} {PIL.__version__} {size} {resize} {len(split)}".encode())
    for index in range(len(split)):
        digest.update(split.pictures.stamp(index) + b"\n")
    return digest.hexdigest()


class PackCache:
    """A folder of packs, up to ``limit`` bytes; the least recently used are removed first."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def pictures(
        self, key: str, shape: tuple[int, ...], fill: Callable[[UInt8Array], dict[int, str]]
    ) -> CachedPack | None:
        """Return a pack from the cache, or make it and cache it, once for several processes.

        Args:
            shape: ``[pictures, size, size, 3]``.
            fill: Fills an array of that shape from its start, and returns the broken pictures.

        Returns:
            The pack, memory-mapped; None if it is larger than the limit, or if the folder belongs
            to another user.

        Raises:
            KerascnnError: The folder cannot be created, or the disk is full.
        """
        found = open_pack(self.folder / key, shape)
        if found is not None:
            return found
        if math.prod(shape) > self.limit:
            line = "the resized pictures take %.1f GB and are not cached: the limit is %.1f (%s)."
            log.warning(line, math.prod(shape) / 1e9, self.limit / 1e9, LIMIT_VARIABLE)
            return None
        try:
            with writing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / f"{key}.lock", wait=True):
                # Another process may have made it while this one waited.
                found = open_pack(self.folder / key, shape, quiet=True)
                return found or self._make(key, shape, fill)
        except KerascnnError as error:
            if getattr(error.__cause__, "errno", None) not in _IGNORED_ERRORS:
                raise
            log.warning(
                "%s: continues without caching the resized pictures. %s", self.folder, error
            )
            return None

    def entries(self) -> list[Entry]:
        """List the packs, most recently used first."""
        return sorted(self._entries(), key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Remove all packs, also unfinished and damaged ones; return the bytes freed."""
        packs = [path for path in _listed(self.folder) if _PACK.fullmatch(path.name)]
        return sum(map(remove_pack, packs)) + self._clear_unfinished()

    def _clear_unfinished(self, held: str | None = None) -> int:
        """Remove the unfinished packs of killed processes; those that still write hold a lock."""
        freed = 0
        for path in _listed(self.folder):
            begun = _UNFINISHED.fullmatch(path.name)
            if begun and begun[1] == held:
                freed += remove_pack(path)
            elif begun and is_pack(path):
                with suppress(KerascnnError), locked(self.folder / f"{begun[1]}.lock"):
                    freed += remove_pack(path)
        return freed

    def _make(
        self, key: str, shape: tuple[int, ...], fill: Callable[[UInt8Array], dict[int, str]]
    ) -> CachedPack | None:
        self._clear_unfinished(held=key)
        self._make_room(math.prod(shape))
        beginning = None
        try:
            with writing(self.folder):
                # With an unpredictable name, and accessible to this user alone.
                beginning = Path(
                    tempfile.mkdtemp(dir=self.folder, prefix=f".{key}.", suffix=".tmp")
                )
                (beginning / MARK).touch()
                found = _filled(beginning / IMAGES, shape, fill)
                if not len(found.images):  # every picture is broken: there is nothing to cache
                    return found
                write_text(beginning / ABOUT, description(found))
                beginning.chmod(0o777 & ~umask())
                size, broken, digest = found.images.shape, found.broken, found.digest
                del found  # Windows renames no folder with a mapped file in it
                return reopen_pack(self._put(beginning, key), size, broken, digest)
        finally:
            if beginning is not None:
                remove_pack(beginning)

    def _put(self, beginning: Path, key: str) -> Path:
        """Rename a pack into place, and return it; if that fails, it serves this process alone."""
        remove_pack(self.folder / key)  # a damaged one
        try:
            return beginning.rename(self.folder / key)
        except OSError as error:
            reason = error.strerror or error
            log.warning("%s: the pack is not cached (%s).", self.folder / key, reason)
            return beginning

    def _make_room(self, needed: int) -> None:
        held = self.entries()
        total = needed + sum(entry.bytes for entry in held)
        while held and total > self.limit:
            oldest = held.pop()
            # A process that uses it goes on: its mapping keeps the file. Windows refuses.
            remove_pack(oldest.folder)
            total -= oldest.bytes

    def _entries(self) -> Iterator[Entry]:
        for path in _listed(self.folder):
            with suppress(*DAMAGED):  # reported by the run that needs it
                found = read_description(path) if _PACK.fullmatch(path.name) else None
                if found is None:
                    continue
                count, size = found["shape"][:2]
                used = (path / ABOUT).stat().st_mtime
                yield Entry(path, count, size, (path / IMAGES).stat().st_size, used)


def open_cache(folder: str | None) -> PackCache | None:
    """Open the cache, whose size limit is ``KERASCNN_CACHE_LIMIT``.

    Args:
        folder: Folder of the cache. None: the environment variable ``KERASCNN_CACHE``, or else the
            user's cache folder; ``none``: no cache.

    Raises:
        ConfigError: The limit is not a number of at least 0.
    """
    chosen = folder or os.environ.get(VARIABLE)
    if chosen == NO_CACHE:
        return None
    limit = int(environment_number(LIMIT_VARIABLE, LIMIT, 0, "gigabytes") * 1e9)
    if chosen:
        return PackCache(Path(chosen) / "packs", limit)
    import platformdirs

    return PackCache(platformdirs.user_cache_path("kerascnn") / "packs", limit)


def _filled(
    path: Path, shape: tuple[int, ...], fill: Callable[[UInt8Array], dict[int, str]]
) -> CachedPack:
    """Write the pixels of a pack."""
    preallocate(path, math.prod(shape))
    array = np.memmap(path, np.uint8, "r+", shape=shape)
    broken = fill(array)
    array.flush()
    kept = array[: shape[0] - len(broken)]
    return CachedPack(kept, broken, pixels_digest(kept))


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
