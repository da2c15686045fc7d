"""Packs that are kept from one run to the next, so that the second run starts at once.

Knows: what makes two packs the same, and a folder of limited size. Does not know how pictures
are decoded.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import PIL

from kerascnn import images
from kerascnn.dataset import Split
from kerascnn.errors import BusyError
from kerascnn.files import cannot_write, locked, reserve, write_text

log = logging.getLogger(__name__)

FORMAT = 1
"""To be raised when :mod:`kerascnn.images` makes other pixels of the same file."""

VARIABLE = "KERASCNN_CACHE"
"""Environment variable with the folder, in place of the user's cache folder."""

LIMIT = 20.0
"""Gigabytes (10**9 bytes), unless told otherwise."""

NO_CACHE = "none"

UInt8Array: TypeAlias = npt.NDArray[np.uint8]


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
        pictures: How many.
        size: Height and width, in pixels.
        bytes: On the disk.
        used: When it was last used, in seconds since 1970.
    """

    folder: Path
    pictures: int
    size: int
    bytes: int
    used: float


def pack_key(split: Split, size: int | images.Shape, resize: images.How) -> str:
    """Hash all that decides on the pixels of a pack: every file, and every option.

    Args:
        split: Its labels do not matter.
        size: In pixels: height and width, or one number for both.
        resize: The rule.

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
        """Give a pack, from the folder if it is there; else make it and keep it.

        Two processes that need the same pack at once make it once.

        Args:
            key: Of :func:`pack_key`.
            shape: ``[pictures, size, size, 3]``.
            fill: Fills an array of that shape from its start, and tells which pictures are
                broken.

        Returns:
            The pack, mapped into memory; None if it is larger than the limit.

        Raises:
            KerascnnError: The folder cannot be written, or the disk is full.
        """
        if math.prod(shape) > self.limit:
            log.warning(
                "the sized pictures take %.1f GB and are not kept: the cache may hold %.1f "
                "(--cache-limit).",
                math.prod(shape) / 1e9,
                self.limit / 1e9,
            )
            return None
        _make_folder(self.folder)
        with locked(self.folder / f"{key}.lock", wait=True):
            found = _open(self.folder / key)
            if found is None:
                self._make(key, shape, fill)
                found = _open(self.folder / key)
        return found

    def entries(self) -> list[Entry]:
        """List the packs, the last used first."""
        return sorted(self._entries(), key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Remove all packs, begun ones too; gives the bytes that were freed."""
        entries = self.entries()
        for entry in entries:
            shutil.rmtree(entry.folder, ignore_errors=True)
        freed = sum(entry.bytes for entry in entries if not entry.folder.exists())
        return freed + self._clear_begun()

    def _clear_begun(self) -> int:
        """Remove what processes that were killed had begun; those that still write hold a lock."""
        freed = 0
        for begun in self.folder.glob(".*.tmp"):
            size = sum(file.stat().st_size for file in begun.iterdir())
            with suppress(BusyError), locked(self.folder / f"{begun.stem[1:]}.lock"):
                shutil.rmtree(begun, ignore_errors=True)
            freed += 0 if begun.exists() else size
        return freed

    def _make(
        self, key: str, shape: tuple[int, ...], fill: Callable[[UInt8Array], dict[int, str]]
    ) -> None:
        self._make_room(math.prod(shape))
        beginning = self.folder / f".{key}.tmp"
        shutil.rmtree(beginning, ignore_errors=True)  # of a process that was killed
        _make_folder(beginning)
        try:
            reserve(beginning / "images", math.prod(shape))
            array = np.memmap(beginning / "images", np.uint8, "r+", shape=shape)
            broken = fill(array)
            array.flush()
            count = shape[0] - len(broken)
            about = {
                "shape": [count, *shape[1:]],
                "broken": [[index, reason] for index, reason in broken.items()],
                "digest": pixels_digest(array[:count]),
            }
            write_text(beginning / "about.json", json.dumps(about))
            beginning.replace(self.folder / key)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        finally:
            shutil.rmtree(beginning, ignore_errors=True)

    def _make_room(self, needed: int) -> None:
        self._clear_begun()
        held = self.entries()
        total = needed + sum(entry.bytes for entry in held)
        while held and total > self.limit:
            oldest = held.pop()
            # A process that uses it goes on: the mapping keeps the file. Windows refuses.
            shutil.rmtree(oldest.folder, ignore_errors=True)
            total -= oldest.bytes

    def _entries(self) -> Iterator[Entry]:
        for about in self.folder.glob("[0-9a-f]*/about.json"):
            found = _open(about.parent, touch=False)
            if found is not None:
                used = about.stat().st_mtime
                count, size = found.images.shape[:2]
                yield Entry(
                    about.parent, count, size, (about.parent / "images").stat().st_size, used
                )


def open_cache(folder: str | None, limit: float = LIMIT) -> PackCache | None:
    """Open the cache.

    Args:
        folder: None: what the environment variable ``KERASCNN_CACHE`` says, or else the user's
            cache folder; ``none``: no cache.
        limit: In gigabytes (10**9 bytes).

    Returns:
        The cache, or None if there shall be none.
    """
    chosen = folder or os.environ.get(VARIABLE)
    if chosen == NO_CACHE:
        return None
    if chosen:
        return PackCache(Path(chosen) / "packs", int(limit * 1e9))
    import platformdirs

    return PackCache(platformdirs.user_cache_path("kerascnn") / "packs", int(limit * 1e9))


def _open(folder: Path, touch: bool = True) -> Sized | None:
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        array = np.memmap(folder / "images", np.uint8, "r", shape=tuple(about["shape"]))
        broken = {int(index): str(reason) for index, reason in about["broken"]}
        if touch:
            os.utime(folder / "about.json")
        return Sized(array, broken, str(about["digest"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: a kept pack that cannot be read (%s); it is made again.", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
