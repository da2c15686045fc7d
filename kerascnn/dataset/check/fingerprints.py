"""Fingerprints of pictures: a few bytes each, to find duplicates and near-duplicates.

Knows: a hash of the decoded pixels, and a thumbnail of 16 x 16 gray values with 4 x 4 colors. Does
not know which are similar (:mod:`kerascnn.dataset.check.near_duplicates`), or labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn import images
from kerascnn.dataset.pictures import Pictures
from kerascnn.errors import PictureError
from kerascnn.parallel import in_order

SIDE, COLORS = 16, 4
"""Pixels per side of a thumbnail, for its gray values and for its colors, which vary less."""

THUMBNAIL = SIDE * SIDE + 2 * COLORS * COLORS
"""Number of values of a thumbnail: gray, then JPEG's two color differences."""

FLAT = 4.0
"""Standard deviation of gray values, of 255, below which a picture counts as blank."""

_HASH, _SIZES = 16, 16
"""Number of bytes of a hash, and of height and width."""


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of some pictures, in their order.

    Attributes:
        hashes: Hashes of size and decoded pixels, 16 bytes each; empty if the picture cannot be
            read.
        thumbnails: uint8 ``[pictures, THUMBNAIL]``.
        sizes: Height and width in pixels, int64 ``[pictures, 2]``; 0 if it cannot be read.
        broken: Reasons why pictures cannot be read, by index.
    """

    hashes: tuple[bytes, ...]
    thumbnails: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int64]
    broken: dict[int, str]

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.hashes)

    @property
    def flat(self) -> npt.NDArray[np.bool_]:
        """Whether a picture is blank, bool ``[pictures]``."""
        dull: npt.NDArray[np.bool_] = self.thumbnails[:, : SIDE * SIDE].std(axis=1) < FLAT
        return dull


def fingerprint_pictures(
    pictures: Pictures, progress: Callable[[int], object] | None = None
) -> Fingerprints:
    """Compute the fingerprint of every picture: 320 bytes each, whatever its size."""

    def work(index: int) -> images.UInt8Array | PictureError:
        return images.attempt(lambda: pictures.apply(index, _fingerprint))

    hashes: list[bytes] = []
    thumbnails = np.zeros((len(pictures), THUMBNAIL), np.uint8)
    sizes = np.zeros((len(pictures), 2), np.int64)
    broken: dict[int, str] = {}
    for index, found in enumerate(in_order(work, range(len(pictures)))):
        if isinstance(found, PictureError):
            broken[index] = str(found)
            hashes.append(b"")
        else:
            hashes.append(found[:_HASH].tobytes())
            thumbnails[index] = found[_HASH:-_SIZES]
            sizes[index] = found[-_SIZES:].view("<i8")
        if progress:
            progress(index + 1)
    return Fingerprints(tuple(hashes), thumbnails, sizes, broken)


def concatenate(fingerprints: list[Fingerprints]) -> Fingerprints:
    """Concatenate the fingerprints of several collections."""
    starts = np.cumsum([0, *map(len, fingerprints)])
    return Fingerprints(
        tuple(one for part in fingerprints for one in part.hashes),
        np.concatenate([part.thumbnails for part in fingerprints]),
        np.concatenate([part.sizes for part in fingerprints]),
        {
            int(start) + index: reason
            for start, part in zip(starts, fingerprints, strict=False)
            for index, reason in part.broken.items()
        },
    )


def _fingerprint(picture: images.UInt8Array) -> images.UInt8Array:
    """Concatenate hash, thumbnail and size of a picture."""
    sizes = np.asarray(picture.shape[:2], "<i8").tobytes()
    return np.frombuffer(_hash(picture) + _thumbnail(picture).tobytes() + sizes, np.uint8)


def _hash(picture: images.UInt8Array) -> bytes:
    digest = hashlib.blake2b(str(picture.shape).encode(), digest_size=_HASH)
    for rows in np.array_split(picture, max(1, picture.size >> 22)):
        digest.update(np.ascontiguousarray(rows).data)
    return digest.digest()


def _thumbnail(picture: images.UInt8Array) -> npt.NDArray[np.uint8]:
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX).convert("YCbCr")
    gray, *colors = (np.asarray(channel) for channel in small.split())
    block = SIDE // COLORS
    means = [
        color.reshape(COLORS, block, COLORS, block).mean(axis=(1, 3)).round() for color in colors
    ]
    return np.concatenate([part.ravel() for part in (gray, *means)]).astype(np.uint8)
