"""From a picture of any kind to pixels, here or where it can be stopped.

Knows: that a plain file is decoded in the calling thread and all others in a process of their own,
which can be killed. Does not know how pixels are decoded (:mod:`kerascnn.images.decoding`) or how
processes are asked (:mod:`kerascnn.images.worker_pool`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerascnn.errors import PictureError
from kerascnn.images import limits
from kerascnn.images.decoding import check_regular, decode_here, from_pillow, rgb_array
from kerascnn.images.header import Header, header_of
from kerascnn.images.limits import BYTES_EACH, PLAIN_BYTES
from kerascnn.images.pillow_errors import file_errors
from kerascnn.images.plain import is_plain, plain_size
from kerascnn.images.resizing import UInt8Array, size_picture
from kerascnn.images.worker_pool import PixelFunction, unpacked, workers
from kerascnn.resizing import ResizeRule, Shape

T = TypeVar("T")


class UnboundedError(PictureError):
    """A file whose header does not tell what decoding it costs."""


Buffer: TypeAlias = bytes | bytearray | memoryview
"""The bytes of a file."""

Source: TypeAlias = str | os.PathLike[str] | Buffer | BinaryIO | Image.Image | npt.NDArray[np.uint8]
"""A path, the bytes of a file, an open file (in binary mode), a Pillow image, or uint8
``[height, width, 3]`` (RGB)."""

Accept: TypeAlias = Callable[[int, int], object]

_HEAD = 1 << 17
"""Bytes in which a file tells its size: EXIF with its thumbnail stands before, 64 kB at most."""

_PIECE = 1 << 16
"""Bytes of a file that are read at a time if it does not say how many it has."""

_PIXEL = 8
"""Bytes a pixel takes while it is decoded: four in Pillow, three as an array, and one to spare."""

_WEBP_PIXEL = 8
"""Bytes a pixel of WebP takes before it is decoded: in libwebp, two canvases of four each."""

_SPARE = 32 << 20
"""Bytes besides."""


def decode(
    source: str | Path | bytes,
    name: str | None = None,
    max_pixels: int | None = None,
    accept: Accept | None = None,
    bounded: bool = False,
) -> UInt8Array:
    """Read one picture as RGB.

    The first frame of an animation is used; EXIF rotation is applied, and broken EXIF is of no
    consequence; transparency is laid on white, as a viewer shows it; 16-bit (and 12-bit) grey is
    scaled to 8 bits, and of 16-bit colors Pillow gives the upper 8. Color profiles are not
    applied.

    Args:
        source: A path, or the bytes of a file.
        name: What to call the picture in an error; the path, if not given.
        max_pixels: Larger pictures are refused; None: ``MAX_PIXELS``, which always holds.
        accept: Called with height and width, as the header has them, before any pixel is decoded;
            may raise a PictureError.
        bounded: Whether a file is refused if its header does not tell what decoding it costs.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        UnboundedError: The header does not tell the cost.
        PictureError: The file cannot be read or decoded, with the reason.
    """
    return apply_decoded(source, _same, name, max_pixels, accept, bounded)


def prepare(
    source: Source,
    size: int | Shape,
    resize: ResizeRule,
    name: str | None = None,
) -> UInt8Array:
    """Read one picture, whatever it is, and bring it to a model's size.

    Args:
        source: Source of any size.
        size: Size of the model's input: height and width, or one number for both.
        resize: How pictures are resized.
        name: As for :func:`decode`.

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
        with file_errors(shown):
            source = source.read()  # from where it is, as Pillow does
        if not isinstance(source, Buffer):
            raise PictureError(f"{shown}: a file in text mode; open it with 'rb'.")
    if isinstance(source, str | Path | Buffer):
        whole = bytes(source) if isinstance(source, bytearray | memoryview) else source
        sized = partial(size_picture, size=size, resize=resize)
        return apply_decoded(whole, sized, name)
    if isinstance(source, Image.Image):
        return size_picture(from_pillow(source, shown), size, resize)
    if isinstance(source, np.ndarray):
        return size_picture(rgb_array(source, shown), size, resize)
    raise PictureError(
        f"a {type(source).__name__}; expected a path, bytes, an open file, a Pillow image or a "
        "uint8 array."
    )


def is_open_file(source: object) -> TypeGuard[BinaryIO]:
    """Return whether it can be read from, whatever its class: frameworks for the web have own."""
    return callable(getattr(source, "read", None))


def apply_decoded(
    source: str | Path | bytes,
    function: PixelFunction,
    name: str | None = None,
    max_pixels: int | None = None,
    accept: Accept | None = None,
    bounded: bool = False,
) -> UInt8Array:
    """Decode one picture and reduce it to a small result, in the same process.

    Args:
        source: As for :func:`decode`.
        function: A function of a module, perhaps ``partial``: it may be called in another process.
        name: As for :func:`decode`.
        max_pixels: As for :func:`decode`.
        accept: As for :func:`decode`.
        bounded: As for :func:`decode`.

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
    """Read a picture's header.

    Returns:
        The header, or None when it cannot be read (decoding will say why).
    """
    fields = _header(path)
    return None if fields is None else Header(**fields)


def longer_side(path: str | Path) -> int:
    """Read a picture's longer side from its header, without decoding it.

    Returns:
        Pixels, or 0 when the header cannot be read (decoding will say why).
    """
    size = None
    try:
        check_regular(path)
        size = plain_size(_beginning(path, _HEAD))
    except (OSError, ValueError, PictureError):
        return 0
    if size is not None:
        return max(size)
    fields = _header(path)
    return 0 if fields is None else max(fields["width"], fields["height"])


def attempt(work: Callable[[], T]) -> T | PictureError:
    """Call a function on a picture, and return its PictureError instead of raising it.

    An error that was raised holds all that was on its way, through its traceback and its cause:
    the picture's bytes, Pillow's image. Thousands of them would fill the memory. This one is new.

    Returns:
        What it gives, or the error.
    """
    try:
        return work()
    except PictureError as error:
        return type(error)(*error.args)


def _same(rgb: UInt8Array) -> UInt8Array:
    return rgb


def _beginning(path: str | Path, most: int) -> bytes:
    size = check_regular(path)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of a name that Path may not take
        # Memory is taken for all that is asked for, so no more than there may be.
        data = file.read(min(size + 1, most))
        if len(data) == size:  # whole, as nearly all are
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
    """Process it in another process; a large file is read there, not sent."""
    size = plain_size(data[:_HEAD])
    pixels = size[0] * size[1] if size else 0
    estimate = pixels * _PIXEL + len(data) + _SPARE if size else BYTES_EACH
    # libwebp says of too little memory what it says of damage.
    least = pixels * _WEBP_PIXEL if data[8:12] == b"WEBP" else 0
    if isinstance(source, bytes) or len(data) <= PLAIN_BYTES:
        return workers().ask({**job, "source": b""}, data, estimate, accept, least)
    path = os.path.abspath(source)  # noqa: PTH100 - likewise
    return workers().ask({**job, "source": path}, b"", estimate, accept, least)
