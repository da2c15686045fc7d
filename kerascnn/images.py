"""The one way a picture becomes an array, in training and in production alike.

Knows: bytes or a path to RGB uint8, and RGB uint8 to the model's size. Does not know:
labels, models, normalisation.

A picture that is S x S already is taken as it is, under every rule: so pictures sized here
pass through the exported graph, which sizes by the same rule, unchanged.

Sizing of all others, in integers (``//`` rounds down), for a picture H x W and a model of size S:

* ``squash``: W -> S and H -> S.
* ``crop``:   R = (16 S + 7) // 14, that is S / 0.875 rounded; short = min(H, W);
              W' = (2 W R + short) // (2 short), H' likewise; the central S x S of H' x W',
              from ((H' - S) // 2, (W' - S) // 2).
* ``pad``:    long = max(H, W); T = min(long, S), so nothing is enlarged;
              W' = max(1, (2 W T + long) // (2 long)), H' likewise; laid on zeros at
              ((S - H') // 2, (S - W') // 2).

The filter is Pillow's BILINEAR (a triangle that widens when shrinking), horizontally first,
then vertically, always as two passes: which pass Pillow itself takes first depends on its
version and on the picture's shape, and changes up to a fifth of the values by one. With the
order fixed, a file exported today answers the same under tomorrow's Pillow, and the exported
graph can do exactly the same arithmetic (``kerascnn.training.export.preprocessing``).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from kerascnn.errors import ConfigError, PictureError

Resize = Literal["squash", "crop", "pad"]
RESIZE_RULES: tuple[Resize, ...] = get_args(Resize)

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")

MAX_PIXELS = 178_956_970
"""Pictures above this many pixels are refused: Pillow's own limit (0.5 GiB as RGB)."""

_FORMAT_WORDS = "JPEG, PNG, WebP, BMP, GIF or TIFF"

UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Axis:
    """How one axis of a picture is sized.

    Attributes:
        start: Where the part that is used begins, in input pixels.
        stop: Where it ends, in input pixels.
        length: How many output pixels it becomes.
        offset: Where those lie in the output of S pixels.
    """

    start: float
    stop: float
    length: int
    offset: int


def axes(height: int, width: int, size: int, resize: Resize) -> tuple[Axis, Axis]:
    """Work out how a picture of any size becomes ``size`` x ``size``.

    Args:
        height: Of the picture, in pixels, at least 1.
        width: Of the picture, in pixels, at least 1.
        size: Of the model's input, in pixels.
        resize: ``squash``, ``crop`` or ``pad``; see the module's docstring.

    Returns:
        The vertical and the horizontal axis.

    Raises:
        ConfigError: ``resize`` is none of the three.

    Examples:
        >>> axes(28, 28, 32, "pad")[0]
        Axis(start=0.0, stop=28.0, length=28, offset=2)
        >>> axes(256, 512, 224, "crop")[1]
        Axis(start=144.0, stop=368.0, length=224, offset=0)
    """
    if resize == "squash" or (resize in RESIZE_RULES and height == width == size):
        return Axis(0.0, float(height), size, 0), Axis(0.0, float(width), size, 0)
    if resize == "crop":
        scaled = (16 * size + 7) // 14
        short = min(height, width)
        return _cropped(height, short, scaled, size), _cropped(width, short, scaled, size)
    if resize == "pad":
        longer = max(height, width)
        return _padded(height, longer, size), _padded(width, longer, size)
    raise ConfigError(f"resize {resize!r} is not known. Choose one of: {', '.join(RESIZE_RULES)}.")


def _cropped(length: int, short: int, scaled: int, size: int) -> Axis:
    target = (2 * length * scaled + short) // (2 * short)
    offset = (target - size) // 2
    return Axis(offset * length / target, (offset + size) * length / target, size, 0)


def _padded(length: int, longer: int, size: int) -> Axis:
    target = min(longer, size)
    scaled = max(1, (2 * length * target + longer) // (2 * longer))
    return Axis(0.0, float(length), scaled, (size - scaled) // 2)


def size_picture(rgb: UInt8Array, size: int, resize: Resize) -> UInt8Array:
    """Bring one RGB picture to the model's size.

    Args:
        rgb: uint8 ``[height, width, 3]``.
        size: Of the model's input, in pixels.
        resize: ``squash``, ``crop`` or ``pad``.

    Returns:
        uint8 ``[size, size, 3]``; the input itself where nothing is to be done.
    """
    height, width = rgb.shape[:2]
    vertical, horizontal = axes(height, width, size, resize)
    sized = _resampled(rgb, horizontal, vertical)
    if sized.shape[:2] == (size, size):
        return sized
    canvas = np.zeros((size, size, 3), np.uint8)
    top, left = vertical.offset, horizontal.offset
    canvas[top : top + vertical.length, left : left + horizontal.length] = sized
    return canvas


def _resampled(rgb: UInt8Array, horizontal: Axis, vertical: Axis) -> UInt8Array:
    height, width = rgb.shape[:2]
    across = (horizontal.start, horizontal.stop, horizontal.length) != (0, width, width)
    down = (vertical.start, vertical.stop, vertical.length) != (0, height, height)
    if not across and not down:
        return rgb
    image = Image.fromarray(rgb)
    if across:
        columns = (horizontal.start, 0.0, horizontal.stop, float(height))
        image = image.resize((horizontal.length, height), Image.Resampling.BILINEAR, columns)
    if down:
        rows = (0.0, vertical.start, float(horizontal.length), vertical.stop)
        size = (horizontal.length, vertical.length)
        image = image.resize(size, Image.Resampling.BILINEAR, rows)
    return np.asarray(image)


def default_resize(weights: str, largest: int, size: int) -> Resize:
    """Choose the resize rule a new model gets when the user names none.

    Args:
        weights: ``none``, ``imagenet`` or a file: where the weights come from.
        largest: The longer side of the largest picture seen, in pixels.
        size: Of the model's input, in pixels.

    Returns:
        ``crop`` with ImageNet weights, as they were trained; ``pad`` for pictures smaller
        than the model, so that nothing is invented; else ``squash``.
    """
    if weights == "imagenet":
        return "crop"
    return "pad" if largest < size else "squash"


def decode(source: str | Path | bytes, name: str | None = None) -> UInt8Array:
    """Read one picture as RGB.

    The first frame of an animation is used; EXIF rotation is applied; transparency is laid
    on white, as a viewer shows it; 16-bit grey is scaled to 8 bits.

    Args:
        source: A path, or the bytes of a file.
        name: What to call the picture in an error; the path, if not given.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        PictureError: The file cannot be read or decoded, with the reason.
    """
    shown = name or ("picture" if isinstance(source, bytes) else str(source))
    with _named(shown), _open(source) as image:
        return _to_rgb(image, shown)


def from_pillow(image: Image.Image, name: str = "picture") -> UInt8Array:
    """Convert any Pillow image as :func:`decode` does.

    Args:
        image: Of any mode; it may not be loaded yet.
        name: What to call it in an error.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        PictureError: It cannot be decoded, or its pixels have no agreed range.
    """
    with _named(name):
        return _to_rgb(image, name)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises into one sentence that names the picture."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs at half of what it refuses, and of odd EXIF or TIFF tags
            # in pictures that decode well; MAX_PIXELS below is the one limit.
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name}: not a picture that can be read. Expected {_FORMAT_WORDS}."
        ) from error
    except MemoryError as error:
        raise PictureError(f"{name}: not enough memory to decode it.") from error
    except Exception as error:
        # Pillow's plugins raise whatever their parsers meet on hostile bytes: OSError,
        # SyntaxError, ValueError, struct.error, IndexError, KeyError, zlib.error, EOFError,
        # TypeError, OverflowError, ZeroDivisionError, DecompressionBombError... None may end
        # a run over a million pictures, and each is named here.
        raise PictureError(_cannot_decode(name, error)) from error


def _open(source: str | Path | bytes) -> Image.Image:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    return Image.open(file, formats=FORMATS)


def _check_pixels(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name}: {width} x {height} is {width * height:,} pixels, more than the limit of "
            f"{MAX_PIXELS:,}. Make it smaller first."
        )
    if width < 1 or height < 1:
        raise PictureError(f"{name}: {width} x {height} has no pixels.")


def _cannot_decode(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{name}: no such file."
    if isinstance(error, IsADirectoryError):
        return f"{name}: a folder without pictures. Expected {_FORMAT_WORDS}."
    if isinstance(error, PermissionError):
        return f"{name}: no permission to read it."
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{name}: cannot decode ({type(error).__name__}: {reason}). Expected {_FORMAT_WORDS}."


def _to_rgb(image: Image.Image, name: str) -> UInt8Array:
    _check_pixels(image, name)
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "RGB" and "transparency" not in upright.info:
        return np.asarray(upright)
    if upright.mode.startswith("I;16"):
        return _from_16_bits(upright)
    if upright.mode in ("I", "F"):
        raise PictureError(
            f"{name}: 32-bit pixels (Pillow mode {upright.mode!r}) have no agreed range. "
            "Convert it to 8 or 16 bits first."
        )
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        paper = Image.new("RGBA", upright.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(paper, upright)
    return np.asarray(upright.convert("RGB"))


def _from_16_bits(image: Image.Image) -> UInt8Array:
    # Pillow's own conversion clips at 255, which turns almost every such picture white.
    wide = np.asarray(image).astype(np.uint32)
    grey = ((wide * 255 + 32767) // 65535).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def rgb_array(array: npt.NDArray[np.generic], name: str = "picture") -> UInt8Array:
    """Check that an array is a picture, and make it RGB.

    Args:
        array: uint8 ``[height, width]`` (grey), ``[height, width, 1]`` or
            ``[height, width, 3]`` (RGB).
        name: What to call it in an error.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        PictureError: Another type or shape, or no pixels.
    """
    if array.dtype != np.uint8:
        raise PictureError(
            f"{name}: values of type {array.dtype}, expected uint8 from 0 to 255. "
            "Convert them first: a guess about their range would be a wrong answer."
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise PictureError(
            f"{name}: an array of shape {list(array.shape)}, expected [height, width, 3] (RGB) "
            "or [height, width] (grey)."
        )
    picture = array.astype(np.uint8, copy=False)
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def longer_side(path: str | Path) -> int:
    """Read a picture's longer side from its header, without decoding it.

    Args:
        path: Of the file.

    Returns:
        Pixels, or 0 when the header cannot be read (decoding will say why).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _open(path) as image:
                return max(image.size)
    except Exception:  # noqa: BLE001 - hostile bytes raise anything; `decode` reports them
        return 0
