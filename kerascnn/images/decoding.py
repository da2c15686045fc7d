"""Decodes a picture to RGB, whatever its format, mode and orientation.

Knows: Pillow, the accepted formats, the limits of decoding, and the fast path for plain JPEG. Does
not know the model's size or labels.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from kerascnn.errors import PictureError
from kerascnn.images import limits
from kerascnn.images.arrays import check_sides
from kerascnn.images.jpeg import quick_pixels
from kerascnn.images.limits import PLAIN_PIXELS
from kerascnn.images.pillow_errors import (
    FORMAT_WORDS,
    UnsupportedFormatError,
    one_sentence_errors,
    quiet,
)
from kerascnn.images.resizing import UInt8Array
from kerascnn.images.scans import check_scans
from kerascnn.images.unsupported import kind_of

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo"),
    *(".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
)
"""Suffixes of picture files, in lower case."""


_UPRIGHT: dict[int, Callable[[UInt8Array], UInt8Array]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1],
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels.transpose(1, 0, 2)[::-1],
}
"""Transformations to upright, by EXIF orientation."""

_STRIP = 1 << 20
"""Pixels to convert at a time: converting all at once would double the memory of a picture."""

_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 259, 262, 284, 339
"""TIFF tags."""

_WHITE_IS_ZERO = 0
"""Value of PhotometricInterpretation: Pillow inverts such pictures with up to 8 bits, but not those
with 16."""

_SIGNED = 2
"""Value of SampleFormat: Pillow reads such pictures with 8 bits as if they were unsigned."""


_GRAY_LEVEL = {"L;2": 85, "L;4": 17}
"""By the raw mode of gray PNG, the factor that Pillow applies to pixels but not to the transparent
value."""


def decode_here(
    source: str | Path | bytes,
    name: str | None = None,
    max_pixels: int | None = None,
    accept: Callable[[int, int], object] | None = None,
    scanned: bool = False,
) -> UInt8Array:
    """Decode one picture to RGB in this thread; otherwise like :func:`kerascnn.images.decode`.

    ``scanned``: whether its JPEG scans were already counted.
    """
    shown = name or ("picture" if isinstance(source, bytes) else str(source))
    with one_sentence_errors(shown), _open(source) as image:
        _check_pixels(image, shown, max_pixels)
        if accept is not None:
            accept(image.height, image.width)
        if not scanned:
            check_scans(image, shown)
        pixels = quick_pixels(image)
        return _to_rgb(image, shown, max_pixels) if pixels is None else _turned(image, pixels)


def from_pillow(image: Image.Image, name: str = "picture") -> UInt8Array:
    """Convert any Pillow image as :func:`decode_here` does.

    Args:
        image: Image of any mode; it may not be loaded yet.
        name: What to call it in an error.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        PictureError: It cannot be decoded, or its pixels have no defined range.
    """
    with one_sentence_errors(name):
        _check_pixels(image, name, None)
        check_scans(image, name)
        return _to_rgb(image, name)


def _open(source: str | Path | bytes) -> Image.Image:
    if not isinstance(source, bytes):
        check_regular(source)
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        if kind := kind_of(source):
            raise UnsupportedFormatError(kind) from error
        raise


def check_regular(source: str | Path) -> int:
    """Check that a path is a regular file; return its size in bytes, 0 if that is unknown.

    Raises:
        PictureError: It is a pipe, device or the like.
        OSError: It does not exist, or is a folder.
    """
    status = os.stat(source)  # noqa: PTH116 - clearer errors than Path's
    if stat.S_ISDIR(status.st_mode):
        with os.scandir(source):  # tells missing permission from a folder without pictures
            raise IsADirectoryError(source)
    if not stat.S_ISREG(status.st_mode):
        # Opening a named pipe would block until a writer appears.
        raise PictureError(f"{source}: not a regular file. Expected {FORMAT_WORDS}.")
    return status.st_size


@contextmanager
def opened(source: str | Path | bytes) -> Iterator[Image.Image]:
    """Open a picture without decoding it, with Pillow's warnings suppressed.

    Yields:
        The image, not loaded. Pillow may raise any exception for malicious files.
    """
    with quiet, _open(source) as image:
        yield image


def _check_pixels(image: Image.Image, name: str, max_pixels: int | None) -> None:
    width, height = image.size
    limit = limits.MAX_PIXELS if max_pixels is None else min(max_pixels, limits.MAX_PIXELS)
    if width * height > limit:
        raise PictureError(
            f"{name}: {width} x {height} is {width * height:,} pixels, more than the limit of "
            f"{limit:,}. Make it smaller first."
        )
    if width < 1 or height < 1:
        raise PictureError(f"{name}: {width} x {height} has no pixels.")
    check_sides(width, height, name)


def _to_rgb(image: Image.Image, name: str, max_pixels: int | None = None) -> UInt8Array:
    # Before loading, which may drop the tags.
    tags = getattr(image, "tag_v2", {})
    white_is_zero = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    signed = _SIGNED in tags.get(_SAMPLE_FORMAT, ())
    _refuse_misread(tags, name)
    _load(image)
    # The first frame may differ from the size in the header.
    _check_pixels(image, name, max_pixels)
    if signed or image.mode in ("I", "F"):
        raise PictureError(
            f"{name}: 32-bit or signed pixels (Pillow mode {image.mode!r}) have no "
            "agreed range. Convert it to 8 or 16 bits first."
        )
    if image.mode.startswith("I;16"):
        highest = _highest(image)
        return _turned(image, _in_strips(image, lambda one: _gray(one, highest, white_is_zero)))
    if image.has_transparency_data:
        return _turned(image, _in_strips(image, _on_white))
    return _turned(image, _in_strips(image, _opaque))


def _refuse_misread(tags: Mapping[int, Any], name: str) -> None:
    apart, compressed = tags.get(_PLANES) == 2, tags.get(_COMPRESSION, 1) != 1
    if apart and not compressed and set(tags.get(_BITS_PER_SAMPLE, ())) - {1, 8}:
        raise PictureError(
            f"{name}: TIFF whose channels of {tags[_BITS_PER_SAMPLE][0]} bits are stored one after "
            "the other, which Pillow reads wrongly. Convert it to PNG first, e.g. with ImageMagick."
        )


def _load(image: Image.Image) -> None:
    """Load the pixels as from an open file, and correct the transparent gray value.

    Pillow memory-maps a file whose name it knows, and then does not apply its orientation.
    """
    if not isinstance(image, ImageFile.ImageFile):
        image.load()
        return
    packed = str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""
    filename, image.filename = image.filename, ""
    try:
        image.load()
    finally:
        image.filename = filename
    clear = image.info.get("transparency")
    if packed in _GRAY_LEVEL and isinstance(clear, int):
        image.info["transparency"] = clear * _GRAY_LEVEL[packed]
    elif packed == "RGB;16B" and isinstance(clear, tuple):  # Pillow keeps only the upper 8 bits
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def _in_strips(
    image: Image.Image, convert: Callable[[Image.Image], npt.NDArray[np.uint8]]
) -> UInt8Array:
    width, height = image.size
    rows = max(1, _STRIP // width)
    if rows >= height:
        return convert(image)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        pixels[top:bottom] = convert(image.crop((0, top, width, bottom)))
    return pixels


def _turned(image: Image.Image, pixels: UInt8Array) -> UInt8Array:
    turn = _UPRIGHT.get(_orientation(image))
    if turn is None:
        return pixels
    # A large picture stays a view: resizing copies only as much as it needs at a time.
    large = image.width * image.height > PLAIN_PIXELS
    return turn(pixels) if large else np.ascontiguousarray(turn(pixels))


def _opaque(image: Image.Image) -> UInt8Array:
    if image.mode in ("L", "RGB"):  # converting a small picture takes as long as decoding it
        pixels = np.asarray(image)
        return pixels if image.mode == "RGB" else np.repeat(pixels[:, :, None], 3, axis=2)
    return np.asarray(image.convert("RGB"))


def _on_white(image: Image.Image) -> UInt8Array:
    image = image.convert("RGBA")
    paper = Image.new("RGB", image.size, (255, 255, 255))
    paper.paste(image, mask=image.getchannel("A"))
    return np.asarray(paper)


def _orientation(image: Image.Image) -> int:
    # TIFF: Pillow has already rotated it while loading, and dropped the tag.
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - broken EXIF raises anything, and the pixels are good
        return 1
    return value if isinstance(value, int) else 1


def _highest(image: Image.Image) -> int:
    """Return the value of white: cameras and scanners also write TIFF with 12 bits."""
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
    return 4095 if bits == (12,) else 65535


def _gray(image: Image.Image, highest: int, white_is_zero: bool) -> UInt8Array:
    # Pillow's own conversion clips at 255, which makes almost every such picture white.
    wide = np.asarray(image).astype(np.uint32)
    gray = (np.minimum(wide, highest) * 255 + highest // 2) // highest
    if white_is_zero:
        gray = 255 - gray
    if isinstance(clear := image.info.get("transparency"), int):
        gray[wide == clear] = 255
    return np.repeat(gray.astype(np.uint8)[:, :, None], 3, axis=2)
