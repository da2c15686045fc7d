"""Decodes a picture from any source, in this thread or in a process that can be killed.

Knows: that plain files are decoded in the calling thread and all others in a worker process. Does
not know how pixels are decoded (:mod:`kerascnn.images.decoding`) or how workers are used
(:mod:`kerascnn.images.worker_pool`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from io import TextIOBase
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn.errors import PictureError
from kerascnn.images import limits
from kerascnn.images.arrays import array_of, rgb_array
from kerascnn.images.decoding import check_regular, decode_here, from_pillow
from kerascnn.images.header import Header, header_of
from kerascnn.images.limits import BYTES_EACH, PLAIN_BYTES
from kerascnn.images.pillow_errors import file_errors
from kerascnn.images.plain import is_plain, plain_size
from kerascnn.images.resizing import UInt8Array, size_picture
from kerascnn.images.worker_pool import PixelFunction, unpacked, workers
from kerascnn.resizing import ResizeRule, Shape

T = TypeVar("T")


class UnboundedError(PictureError):
    """A file whose header does not show the cost of decoding it."""


Buffer: TypeAlias = bytes | bytearray | memoryview
"""The content of a file."""

Source: TypeAlias = str | os.PathLike[str] | Buffer | BinaryIO | Image.Image | npt.NDArray[np.uint8]
"""A path, the content of a file, an open file (in binary mode), a Pillow image, or uint8
``[height, width, 3]`` (RGB)."""

Accept: TypeAlias = Callable[[int, int], object]

_HEAD = 1 << 17
"""Bytes at the start of a file that contain its size; EXIF with a thumbnail, which may precede it,
has at most 64 kB."""

_PIECE = 1 << 16
"""Bytes to read at a time from a file of unknown size."""

_PIXEL_BYTES = 8
"""Estimated bytes per pixel of decoding: four in Pillow, three as an array, and one to spare."""

_WEBP_PIXEL_BYTES = 8
"""Minimum bytes per pixel of decoding WebP: two canvases of four bytes each in libwebp."""

_BASE_BYTES = 32 << 20
"""Constant part of the estimate, in bytes."""


def decode(
    source: str | Path | bytes,
    name: str | None = None,
    max_pixels: int | None = None,
    accept: Accept | None = None,
    bounded: bool = False,
) -> UInt8Array:
    """Decode one picture to RGB.

    The first frame of an animation is used. EXIF rotation is applied; broken EXIF is ignored.
    Transparency is composited on white, as in a viewer. Gray of 16 or 12 bits is scaled to 8 bits;
    of 16-bit colors Pillow keeps the upper 8. Color profiles are not applied.

    Args:
        source: A path, or the bytes of a file.
        name: What to call the picture in an error; by default the path.
        max_pixels: Larger pictures are refused; None: ``MAX_PIXELS``, which always applies.
        accept: Called with height and width from the header before any pixel is decoded; may raise
            a PictureError.
        bounded: Whether to refuse a file whose header does not show the cost of decoding it.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        UnboundedError: The header does not show the cost.
        PictureError: The file cannot be read or decoded, with the reason.
    """
    return apply_decoded(source, _same, name, max_pixels, accept, bounded)


def prepare(
    source: Source, size: int | Shape, resize: ResizeRule, name: str | None = None
) -> UInt8Array:
    """Read one picture from any source, and resize it to a model's size.

    Returns:
        uint8 ``[size, size, 3]`` (or ``[*size, 3]``).

    Raises:
        PictureError: It cannot be read or decoded.
        ConfigError: The rule does not fit the size.
    """
    shown = name or "picture"
    if isinstance(source, os.PathLike):
        source = os.fsdecode(source)
    if is_open_file(source):
        source = _content(source, shown)
    if isinstance(source, str | Path | Buffer):
        whole = bytes(source) if isinstance(source, bytearray | memoryview) else source
        sized = partial(size_picture, size=size, resize=resize)
        return apply_decoded(whole, sized, name)
    if isinstance(source, Image.Image):
        return size_picture(from_pillow(source, shown), size, resize)
    if (array := array_of(source)) is not None:
        return size_picture(rgb_array(array, shown), size, resize)
    raise PictureError(
        f"a value of type {type(source).__name__}; expected a path, bytes, an open file, a Pillow "
        "image or a uint8 array."
    )


def _content(file: Any, shown: str) -> Buffer:
    """Read an open file from its current position, like Pillow."""
    if getattr(file, "closed", False):
        raise PictureError(f"{shown}: a file that is closed; give its path, or open it again.")
    content = "" if isinstance(file, TextIOBase) else _read(file, shown)
    if isinstance(content, Coroutine):  # an upload of Starlette and FastAPI
        content.close()
        raise PictureError(f"{shown}: a file whose read() has to be awaited; give what it returns.")
    if not isinstance(content, Buffer):
        raise PictureError(f"{shown}: a file in text mode; open it with 'rb'.")
    if not content and _is_past_start(file):
        raise PictureError(f"{shown}: a file that was read to its end; go back with seek(0) first.")
    return content


def _read(file: Any, shown: str) -> object:
    with file_errors(shown):
        return file.read()


def _is_past_start(file: Any) -> bool:
    try:
        return bool(file.tell())
    except (AttributeError, OSError, ValueError):  # a pipe, or a class of a web framework
        return False


def is_open_file(source: object) -> TypeGuard[BinaryIO]:
    """Return whether it has a ``read`` method; web frameworks have their own file classes."""
    return callable(getattr(source, "read", None))


def apply_decoded(
    source: str | Path | bytes,
    function: PixelFunction,
    name: str | None = None,
    max_pixels: int | None = None,
    accept: Accept | None = None,
    bounded: bool = False,
) -> UInt8Array:
    """Decode one picture and apply a function to its pixels in the same process.

    ``function`` must be a module-level one, perhaps ``partial``: it may run in a worker process.
    The other arguments are those of :func:`decode`.

    Raises:
        UnboundedError: As for :func:`decode`.
        PictureError: The file cannot be read or decoded, with the reason.
    """
    shown = name or ("picture" if isinstance(source, bytes) else str(source))
    most = limits.MAX_PIXELS if max_pixels is None else min(max_pixels, limits.MAX_PIXELS)
    if isinstance(source, bytes):
        data = source
    else:
        with file_errors(shown):
            data = _beginning(source, PLAIN_BYTES + 1)
    size = plain_size(data) if bounded or len(data) <= PLAIN_BYTES else None
    if bounded and size is None:
        raise UnboundedError(f"{shown}: its header does not show what decoding it would cost.")
    if is_plain(data, size):
        return function(decode_here(data, shown, most, accept, scanned=True))
    if not sys.executable:
        plain = source if len(data) > PLAIN_BYTES else data
        return function(decode_here(plain, shown, most, accept))
    job = {"name": shown, "function": function, "max_pixels": most}
    return unpacked(*_asked(job, source, data, accept))


def read_header(path: str | Path) -> Header | None:
    """Read a picture's header; None if it cannot be read (decoding reports why)."""
    fields = _header(path)
    return None if fields is None else Header(**fields)


def sides_in_header(path: str | Path) -> tuple[int, int]:
    """Read a picture's shorter and longer side in pixels from its header; 0, 0 if it has none."""
    size = None
    try:
        check_regular(path)
        size = plain_size(_beginning(path, _HEAD))
    except (OSError, ValueError, PictureError):
        return 0, 0
    if size is None:
        fields = _header(path)
        size = (0, 0) if fields is None else (fields["width"], fields["height"])
    return min(size), max(size)


def attempt(work: Callable[[], T]) -> T | PictureError:
    """Call a function on a picture, and return its PictureError instead of raising it.

    Through its traceback and cause, a raised error keeps the file's content and Pillow's image
    alive, and thousands of errors would fill the memory. The returned error is a new one.
    """
    try:
        return work()
    except PictureError as error:
        return type(error)(*error.args)


def _same(rgb: UInt8Array) -> UInt8Array:
    return rgb


def _beginning(path: str | Path, most: int) -> bytes:
    size = check_regular(path)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - Path may refuse the name
        # read() allocates the requested size, so request no more than the file may have.
        data = file.read(min(size + 1, most))
        if len(data) == size:  # complete, as for nearly all files
            return data
        some, piece = data, max(size + 1, _PIECE)
        while some and len(data) < most:
            some = file.read(min(piece, most - len(data)))
            data += some
    return data


def _header(path: str | Path) -> dict[str, Any] | None:
    try:
        data = _beginning(path, PLAIN_BYTES + 1)
        if is_plain(data, plain_size(data)) or not sys.executable:
            return header_of(path if len(data) > PLAIN_BYTES else data)
        job = {"name": str(path), "function": None, "max_pixels": None}
        answer, _ = _asked(job, path, data, None)
    except (OSError, ValueError, PictureError):
        return None
    found: dict[str, Any] | None = answer.get("header")
    return found


def _asked(
    job: dict[str, Any], source: str | Path | bytes, data: bytes, accept: Accept | None
) -> tuple[dict[str, Any], UInt8Array | None]:
    """Run a job in a worker process, which reads large files itself."""
    size = plain_size(data[:_HEAD])
    pixels = size[0] * size[1] if size else 0
    estimate = pixels * _PIXEL_BYTES + len(data) + _BASE_BYTES if size else BYTES_EACH
    # libwebp reports too little memory in the same way as damage.
    least = pixels * _WEBP_PIXEL_BYTES if data[8:12] == b"WEBP" else 0
    if isinstance(source, bytes) or len(data) <= PLAIN_BYTES:
        return workers().ask({**job, "source": b""}, data, estimate, accept, least)
    path = os.path.abspath(source)  # noqa: PTH100 - likewise
    return workers().ask({**job, "source": path}, b"", estimate, accept, least)
