"""The pictures of a split, decoded and resized once, in one uint8 array.

Knows: packs, broken pictures, seeded shuffling. Does not know: Keras.
"""

from __future__ import annotations

import logging
import math
import mmap
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.dataset import Split, sized_pictures
from kerascnn.errors import DataError, KerascnnError, PictureError
from kerascnn.training.data.cache import PackCache, pack_key
from kerascnn.training.data.cached_pack import CachedPack, pixels_digest
from kerascnn.training.data.preallocation import preallocate_unnamed

log = logging.getLogger(__name__)

IN_MEMORY = 128 << 20
"""Maximum size of a pack in memory, in bytes; a larger one is in an unnamed temporary file, mapped
into memory that the system can reclaim."""

MOST_IN_MEMORY = 1 << 30
"""Maximum size in memory, in bytes, if the disk has no space for such a file."""


@dataclass(frozen=True)
class Pack:
    """Pictures of one size, in memory.

    Attributes:
        images: uint8 ``[pictures, size, size, 3]``, RGB.
        labels: int64 ``[pictures]``.
        names: One per picture, for messages and galleries.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.labels)


def pack(
    split: Split,
    size: int | images.Shape,
    resize: images.ResizeRule,
    strict: bool = False,
    progress: Callable[[int], object] | None = None,
    cache: PackCache | None = None,
) -> Pack:
    """Decode and resize every picture of a split, in parallel.

    Args:
        size: Size of the model's input, in pixels: height and width, or one number for both.
        cache: Cache to read the pictures from or store them in; None: no cache.

    Returns:
        The pack without broken pictures, which are named in warnings.

    Raises:
        DataError: A picture is broken, and ``strict`` is True.
        KerascnnError: The disk has no space for the pictures.
    """
    fill = partial(_decode, split, size, resize, strict, progress)
    sides = (size, size) if isinstance(size, int) else size
    shape = (len(split), *sides, 3)
    found = cache.pictures(pack_key(split, size, resize), shape, fill) if cache else None
    if found is None:
        array = _room(shape)
        broken = fill(array)
        pictures = array[: len(split) - len(broken)]
        found = CachedPack(pictures, broken, pixels_digest(pictures))
    if found.broken and strict:
        raise DataError(_refusal(next(iter(found.broken.values()))))
    for reason in found.broken.values():
        log.warning("left out: %s", reason)
    kept = np.setdiff1d(np.arange(len(split)), list(found.broken))
    names = tuple(split.pictures.name(int(index)) for index in kept)
    return Pack(found.images, split.labels[kept], names, tuple(found.broken.values()), found.digest)


def joined(one: Pack, other: Pack) -> Pack:
    """Put the pictures of two packs, which are of the same size, into one."""
    pictures = _room((len(one) + len(other), *one.images.shape[1:]))
    np.concatenate([one.images, other.images], out=pictures)
    labels = np.concatenate([one.labels, other.labels])
    names, skipped = one.names + other.names, one.skipped + other.skipped
    return Pack(pictures, labels, names, skipped, pixels_digest(pictures))


def _decode(
    split: Split,
    size: int | images.Shape,
    resize: images.ResizeRule,
    strict: bool,
    progress: Callable[[int], object] | None,
    array: npt.NDArray[np.uint8],
) -> dict[int, str]:
    """Fill the array from its start; return the broken pictures and why."""
    broken: dict[int, str] = {}
    for index, sized in enumerate(sized_pictures(split.pictures, size, resize)):
        if isinstance(sized, PictureError):
            if strict:
                raise DataError(_refusal(str(sized))) from sized
            broken[index] = str(sized)
        else:
            array[index - len(broken)] = sized
        if progress:
            progress(index + 1)
    return broken


def _refusal(reason: str) -> str:
    return f"{reason} Remove it, or run without `strict`."


def _room(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    size = math.prod(shape)
    if size > IN_MEMORY:
        try:
            with preallocate_unnamed(size) as file:  # the mapping keeps the file
                return np.memmap(file, np.uint8, "r+", shape=shape)
        except KerascnnError:
            if size > MOST_IN_MEMORY:
                raise
    return np.empty(shape, np.uint8)


def read_ahead(pictures: npt.NDArray[np.uint8], chosen: npt.NDArray[np.int32]) -> None:
    """Tell the system which pictures of a mapped file are needed next, so that it reads them now.

    Without this, each page fault waits for the disk, which also reads the neighboring pictures.
    """
    mapping = getattr(pictures, "_mmap", None)
    if mapping is not None and hasattr(mmap, "MADV_WILLNEED"):  # not on Windows
        with suppress(OSError):  # only advice
            for start, length in pages_of(pictures, mapping, chosen):
                mapping.madvise(mmap.MADV_WILLNEED, start, length)


def pages_of(
    pictures: npt.NDArray[np.uint8], mapping: mmap.mmap, chosen: npt.NDArray[np.int32]
) -> Iterator[tuple[int, int]]:
    """Yield where each picture is in the mapping: the start of its first page, and bytes."""
    first = pictures.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
    step, size = pictures.strides[0], pictures[0].nbytes
    for number in chosen.tolist():
        start = first + number * step
        aligned = start // mmap.PAGESIZE * mmap.PAGESIZE
        yield aligned, start - aligned + size


def shuffled_order(pictures: int, batch_size: int, seed: int, epoch: int) -> npt.NDArray[np.int32]:
    """Return the order of the pictures in one epoch, which depends only on seed and epoch.

    Every picture occurs once. The last batch is padded with the first pictures of the next epoch,
    so that every step has one shape and no BatchNormalization sees a batch of one.

    Args:
        batch_size: Pictures per step, at most ``pictures``.
        seed: Any integer from 0.
        epoch: Number of the epoch, from 0.

    Returns:
        Indices of :func:`steps_per_epoch` batches, int32.
    """
    order, following = (
        np.random.default_rng([seed, number]).permutation(pictures) for number in (epoch, epoch + 1)
    )
    missing = steps_per_epoch(pictures, batch_size) * batch_size - pictures
    return np.concatenate([order, following[:missing]]).astype(np.int32)


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Count the steps of one epoch, in which every picture is seen."""
    return math.ceil(pictures / batch_size)
