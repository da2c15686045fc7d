"""A pack on disk: its pixels, its description, and its removal.

Knows: the files of a pack, their digest, damaged and unfinished packs. Does not know: which packs
there are, how many may be kept (:mod:`kerascnn.training.data.cache`).

Only packs are removed, file by file, and no link is followed. Pixels are compared with their digest
each time a pack is opened (0.6 s per gigabyte on one core with SHA-256 instructions).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from kerascnn.errors import one_line
from kerascnn.files import is_temporary

log = logging.getLogger(__name__)

UInt8Array: TypeAlias = npt.NDArray[np.uint8]

IMAGES, ABOUT, MARK = "images", "about.json", ".kerascnn-pack"
"""All files of a pack. The mark, an empty file, is created first."""

DAMAGED = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""Errors that reading a damaged pack raises."""

_LONGEST_REASON = 200
"""Maximum length of the reason why a pack cannot be used, in characters."""

_LONGEST_DESCRIPTION = 1 << 28
"""Maximum length of the description of a pack, in bytes: it lists every broken picture."""


@dataclass(frozen=True)
class CachedPack:
    """The pictures of a split, decoded and resized.

    Attributes:
        images: uint8 ``[pictures, size, size, 3]``, without those that cannot be read.
        broken: Why each broken picture cannot be read, by its index in the split.
        digest: SHA-256 of the images in hexadecimal.
    """

    images: UInt8Array
    broken: dict[int, str]
    digest: str


def pixels_digest(pictures: UInt8Array) -> str:
    """Hash the pixels of a pack, SHA-256 in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()


def open_pack(folder: Path, shape: tuple[int, ...], quiet: bool = False) -> CachedPack | None:
    """Open a pack and verify its digests; return None if it is missing or unusable.

    Args:
        shape: ``[pictures, height, width, 3]``, including broken pictures.
    """
    try:
        about = read_description(folder)
        if about is None:
            return None
        broken = {int(index): str(reason) for index, reason in about["broken"]}
        found = CachedPack(_mapped(folder, tuple(about["shape"])), broken, about["digest"])
        _check(found, about, shape)
    except DAMAGED as error:
        if not quiet:
            reason = one_line(error, _LONGEST_REASON)
            log.warning("%s: a cached pack cannot be used (%s); it is rebuilt.", folder, reason)
        return None
    with suppress(OSError):  # it belongs to another user
        os.utime(folder / ABOUT)
    return found


def reopen_pack(
    folder: Path, shape: tuple[int, ...], broken: dict[int, str], digest: str
) -> CachedPack | None:
    """Open a pack that this process has just written; None if another process removed it."""
    try:
        return CachedPack(_mapped(folder, shape), broken, digest)
    except FileNotFoundError:
        return None


def _mapped(folder: Path, shape: tuple[int, ...]) -> UInt8Array:
    with _unlinked(folder / IMAGES) as file:
        return np.memmap(file, np.uint8, "r", shape=shape)


def _check(pack: CachedPack, about: Mapping[str, Any], shape: tuple[int, ...]) -> None:
    # Packs of earlier versions have no digest of their description.
    if about.get("about", _about_digest(pack)) != _about_digest(pack):
        raise ValueError("its description was changed")
    numbers = all(0 <= index < shape[0] for index in pack.broken)
    if not numbers or (len(pack.images) + len(pack.broken), *pack.images.shape[1:]) != shape:
        raise ValueError("it holds other pictures than the requested ones")
    if pixels_digest(pack.images) != about["digest"]:
        raise ValueError("its pixels are not those that were written")


def description(pack: CachedPack) -> str:
    """Return the description of a pack, as JSON."""
    return json.dumps({**_description(pack), "about": _about_digest(pack)})


def _description(pack: CachedPack) -> dict[str, Any]:
    broken = [[index, reason] for index, reason in pack.broken.items()]
    return {"shape": pack.images.shape, "broken": broken, "digest": pack.digest}


def _about_digest(pack: CachedPack) -> str:
    """Hash the description of a pack: a wrong index of a picture would shift its labels."""
    return hashlib.sha256(json.dumps(_description(pack)).encode()).hexdigest()


def read_description(folder: Path) -> dict[str, Any] | None:
    """Read the description of a pack; None: it is no pack. Raises one of DAMAGED."""
    if not is_pack(folder) or not (folder / ABOUT).exists():
        return None
    with _unlinked(folder / ABOUT) as file:
        about: dict[str, Any] = json.loads(file.read(_LONGEST_DESCRIPTION))
    shape, size = about["shape"], (folder / IMAGES).stat().st_size
    whole = all(type(side) is int and side > 0 for side in shape) and len(shape) == 4
    if not whole or math.prod(shape) > size:
        raise ValueError(f"{size:,} bytes for pictures of shape {shape}")
    return {**about, "broken": list(about["broken"]), "digest": str(about["digest"])}


def _unlinked(path: Path) -> BinaryIO:
    """Open a file for reading, without following a link."""
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")


def is_pack(folder: Path) -> bool:
    """Return whether a folder is a pack, possibly unfinished, and holds nothing else."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        with os.scandir(folder) as entries:
            files = {one.name: one.is_file(follow_symlinks=False) for one in entries}
    except OSError:
        return False
    known = all(name in (IMAGES, ABOUT, MARK) or is_temporary(name) for name in files)
    # Packs of earlier versions have no mark, but always their pixels.
    return known and all(files.values()) and (MARK in files or IMAGES in files)


def remove_pack(folder: Path) -> int:
    """Remove a folder if it is a pack; return the bytes freed."""
    if not is_pack(folder):
        return 0
    freed = 0
    with suppress(OSError):  # it belongs to another user; or on Windows, is in use
        # The mark last: a process killed here leaves what is still recognized as a pack.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == MARK):
            size = path.stat().st_size
            path.unlink()
            freed += size if path.name == IMAGES else 0
        folder.rmdir()
    return freed
