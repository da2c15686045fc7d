"""Collections of pictures: in files, in an array, a subset, a concatenation.

Knows: how pictures are read, named, measured and stamped, and that a broken one does not stop the
others. Does not know labels, classes or splits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.parallel import in_order


class Pictures(Protocol):
    """Pictures of any size, read one at a time."""

    def __len__(self) -> int:
        """Return how many pictures there are."""

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Read a picture as RGB uint8 ``[height, width, 3]``; raises PictureError."""

    def apply(self, index: int, function: images.PixelFunction) -> images.UInt8Array:
        """Read a picture and apply a function to its pixels, perhaps in a worker process.

        Raises:
            PictureError: It cannot be read.
        """

    def name(self, index: int) -> str:
        """Return a picture's name, for messages and records."""

    def sides(self, index: int) -> tuple[int, int]:
        """Return a picture's shorter and longer side in pixels, or 0, 0 if it cannot be read."""

    def stamp(self, index: int) -> bytes:
        """Return bytes that change when the picture changes, without decoding it."""


def sized_pictures(
    pictures: Pictures, size: int | images.Shape, resize: images.ResizeRule
) -> Iterator[images.UInt8Array | PictureError]:
    """Read every picture in parallel, and resize it to the model's size.

    Yields:
        For each picture, in order, uint8 ``[size, size, 3]``, or the error if it cannot be read.
    """
    return in_order(sized_reader(pictures, size, resize), range(len(pictures)))


def sized_reader(
    pictures: Pictures, size: int | images.Shape, resize: images.ResizeRule
) -> Callable[[int], images.UInt8Array | PictureError]:
    """Return a function that reads one picture like :func:`sized_pictures`, by its index."""
    sized = partial(images.size_picture, size=size, resize=resize)
    return lambda index: images.attempt(lambda: pictures.apply(index, sized))


@dataclass(frozen=True)
class FilePictures:
    """Pictures in files.

    Attributes:
        paths: As text, which for a million takes little time and 100 MB.
        root: Folder that names are relative to.
    """

    paths: Sequence[str]
    root: Path

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Decode a picture as RGB uint8 ``[height, width, 3]``; raises PictureError."""
        return images.decode(self.paths[index])

    def apply(self, index: int, function: images.PixelFunction) -> images.UInt8Array:
        """Decode a picture and apply a function, perhaps in a worker; raises PictureError."""
        return images.apply_decoded(self.paths[index], function)

    def name(self, index: int) -> str:
        """Return the path relative to the root, with forward slashes."""
        text = self.paths[index]
        # pathlib would take 5 s for a million names.
        if text.startswith(self._prefix):
            return text[len(self._prefix) :].replace(os.sep, "/")
        path = Path(text)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else text

    def sides(self, index: int) -> tuple[int, int]:
        """Read the shorter and longer side from the file's header."""
        return images.sides_in_header(self.paths[index])

    def stamp(self, index: int) -> bytes:
        """Return path, size and times; copying tools cannot set the time of status change."""
        path = self.paths[index]
        try:
            found = os.stat(path)  # noqa: PTH116 - quick
        except (OSError, ValueError):
            return b"missing"
        times = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}".encode()
        return os.fsencode(os.path.join(self._here, path)) + b"\0" + times  # noqa: PTH118

    @cached_property
    def _prefix(self) -> str:
        return "" if self.root == Path() else os.path.join(self.root, "")  # noqa: PTH118

    @cached_property
    def _here(self) -> str:
        return os.getcwd()  # noqa: PTH109


@dataclass(frozen=True)
class ArrayPictures:
    """Pictures in one array, as in IDX files and the built-in data set.

    Attributes:
        array: uint8 ``[pictures, height, width]`` or ``[pictures, height, width, channels]``.
        prefix: Names are ``prefix[index]``.
    """

    array: npt.NDArray[np.uint8]
    prefix: str

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> images.UInt8Array:
        """Return a picture as RGB uint8 ``[height, width, 3]``; raises PictureError."""
        return images.rgb_array(self.array[index], self.name(index))

    def apply(self, index: int, function: images.PixelFunction) -> images.UInt8Array:
        """Return the result of a function of a picture's pixels; raises PictureError."""
        return function(self[index])

    def name(self, index: int) -> str:
        """Return ``prefix[index]``."""
        return f"{self.prefix}[{index}]"

    def sides(self, index: int) -> tuple[int, int]:  # noqa: ARG002 - all are of one size
        """Read the shorter and longer side from the array's shape."""
        return min(self.array.shape[1:3]), max(self.array.shape[1:3])

    def stamp(self, index: int) -> bytes:
        """Return the shape and the pixels."""
        return f"{self.array.shape[1:]}".encode() + bytes(self.array[index].tobytes())


class _Delegating:
    """Pictures that delegate to other collections."""

    def _find(self, index: int) -> tuple[Pictures, int]:
        raise NotImplementedError

    def __getitem__(self, index: int) -> images.UInt8Array:
        pictures, place = self._find(index)
        return pictures[place]

    def apply(self, index: int, function: images.PixelFunction) -> images.UInt8Array:
        """Decode a picture and apply a function; raises PictureError."""
        pictures, place = self._find(index)
        return pictures.apply(place, function)

    def name(self, index: int) -> str:
        """Return the name in the other collection."""
        pictures, place = self._find(index)
        return pictures.name(place)

    def sides(self, index: int) -> tuple[int, int]:
        """Return the shorter and longer side, in pixels."""
        pictures, place = self._find(index)
        return pictures.sides(place)

    def stamp(self, index: int) -> bytes:
        """Return the stamp from the other collection."""
        pictures, place = self._find(index)
        return pictures.stamp(place)


@dataclass(frozen=True)
class Subset(_Delegating):
    """A subset of another collection."""

    pictures: Pictures
    indices: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def _find(self, index: int) -> tuple[Pictures, int]:
        return self.pictures, int(self.indices[index])


@dataclass(frozen=True)
class ConcatenatedPictures(_Delegating):
    """The concatenation of several collections."""

    parts: tuple[Pictures, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def _find(self, index: int) -> tuple[Pictures, int]:
        for part in self.parts:
            if index < len(part):
                return part, index
            index -= len(part)
        raise IndexError(f"picture {index} is beyond the end")
