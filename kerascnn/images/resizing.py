"""Resizes an RGB picture to the model's size.

Knows: kerascnn's own three rules, in integers, and the filter. Does not know how a picture is read,
or the rules of other libraries (:mod:`kerascnn.images.resampling`).

A picture that is already S x S stays unchanged under every rule, so pictures resized here pass
unchanged through the exported graph, which resizes by the same rule.

The rules in integers (``//`` rounds down), for a picture H x W and a model of size S:

* ``squash``: W -> S and H -> S.
* ``crop``:   R = (16 S + 7) // 14, which is S / 0.875 rounded; short = min(H, W);
              W' = (2 W R + short) // (2 short), H' likewise; the central S x S of H' x W',
              from ((H' - S) // 2, (W' - S) // 2).
* ``pad``:    long = max(H, W); T = min(long, S), so nothing is enlarged;
              W' = max(1, (2 W T + long) // (2 long)), H' likewise; placed on zeros at
              ((S - H') // 2, (S - W') // 2).

The filter is Pillow's BILINEAR (a triangle that widens for downscaling), always in two passes,
first horizontal, then vertical, each equal to Pillow's. The order of passes in a single
``Image.resize`` depends on Pillow's version and on the picture's shape (Pillow 13: vertical first
for tall pictures), and changes up to a fifth of the values by one level. With a fixed order, a file
exported today gives the same outputs under future versions of Pillow, and the exported graph can do
exactly the same arithmetic (``kerascnn.training.export.preprocessing``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ConfigError, PictureError
from kerascnn.images.geometry import Side, sides
from kerascnn.images.limits import MAX_PIXELS
from kerascnn.images.resampling import by_pillow, placed, sized_as
from kerascnn.resizing import RESIZE_RULES, Resize, ResizeRule, Resizing, Shape

UInt8Array: TypeAlias = npt.NDArray[np.uint8]


@lru_cache
def own_sides(height: int, width: int, size: int, resize: Resize) -> tuple[Side, Side]:
    """Compute how height and width of a picture become ``size``, by kerascnn's own rules.

    All sizes are in pixels, at least 1; the rules are in the module's docstring.

    Examples:
        >>> own_sides(28, 28, 32, "pad")[0]
        Side(first=0, last=28, start=0.0, stop=28.0, length=28, skip=0, count=28, offset=2)
        >>> own_sides(256, 512, 224, "crop")[1]
        Side(first=0, last=512, start=144.0, stop=368.0, length=224, skip=0, count=224, offset=0)

    Raises:
        ConfigError: ``resize`` is not one of the three.
    """
    if resize == "squash" or (resize in RESIZE_RULES and height == width == size):
        return _own_side(height, size), _own_side(width, size)
    if resize == "crop":
        scaled = (16 * size + 7) // 14
        short = min(height, width)
        return _cropped(height, short, scaled, size), _cropped(width, short, scaled, size)
    if resize == "pad":
        longer = max(height, width)
        return _padded(height, longer, size), _padded(width, longer, size)
    raise ConfigError(f"resize {resize!r} is not known. Choose one of: {', '.join(RESIZE_RULES)}.")


def _own_side(whole: int, length: int, offset: int = 0) -> Side:
    return Side(0, whole, 0.0, float(whole), length, 0, length, offset)


def _cropped(length: int, short: int, scaled: int, size: int) -> Side:
    target = (2 * length * scaled + short) // (2 * short)
    offset = (target - size) // 2
    start, stop = offset * length / target, (offset + size) * length / target
    return Side(0, length, start, stop, size, 0, size, 0)


def _padded(length: int, longer: int, size: int) -> Side:
    target = min(longer, size)
    scaled = max(1, (2 * length * target + longer) // (2 * longer))
    return _own_side(length, scaled, (size - scaled) // 2)


def pixels_between(height: int, width: int, size: int | Shape, resize: ResizeRule) -> int:
    """Count the pixels between the two passes of resizing.

    For a tall, narrow picture they may be a hundred times its own pixels, because it is widened
    first.

    Args:
        height: Height of the picture, in pixels, at least 1.
        width: Width of the picture, in pixels, at least 1.
        size: Size of the model's input: height and width, or one number for both.
        resize: As for :func:`size_picture`.

    Returns:
        The number; an upper bound for the rules of other libraries.

    Examples:
        >>> pixels_between(1_000_000, 1, 224, "squash")
        224000000
    """
    if not isinstance(resize, Resizing):
        return height * own_sides(height, width, _side(size, resize), resize)[1].length
    shape = (size, size) if isinstance(size, int) else size
    down, across = sides(height, width, shape, resize)
    return max(height * across.count, width * down.count)


def _side(size: int | Shape, resize: Resize) -> int:
    if isinstance(size, int):
        return size
    if size[0] != size[1]:
        raise ConfigError(f"an input of {size[0]} x {size[1]} needs a Resizing, not {resize!r}.")
    return size[0]


def size_picture(rgb: UInt8Array, size: int | Shape, resize: ResizeRule) -> UInt8Array:
    """Resize one RGB picture to the model's size.

    Args:
        rgb: uint8 ``[height, width, 3]``.
        size: Size of the model's input: height and width, or one number for both.
        resize: ``squash``, ``crop`` or ``pad``, kerascnn's own rules, for square inputs; or the
            rule of another library, for any input.

    Returns:
        uint8 ``[size, size, 3]`` (or ``[*size, 3]``); the input itself if it needs no resizing.

    Raises:
        ConfigError: The rule is unknown, or is for square inputs only.
        PictureError: It is so narrow that resizing it would fill the memory.
    """
    height, width = rgb.shape[:2]
    between = pixels_between(height, width, size, resize)
    if between > MAX_PIXELS:
        raise PictureError(
            f"picture: {width} x {height} is too narrow: resizing it takes {between:,} pixels, "
            f"more than the limit of {MAX_PIXELS:,}. Crop it first."
        )
    shape = (size, size) if isinstance(size, int) else size
    if isinstance(resize, Resizing):
        return sized_as(rgb, shape, resize)
    down, across = own_sides(height, width, _side(size, resize), resize)
    if (height, width) == shape:
        return rgb
    sized = by_pillow(rgb, down, across, "bilinear", down_first=False)
    return placed(sized, down, across, shape, (0, 0, 0))


def default_resize(weights: str, largest: int, size: int) -> Resize:
    """Choose the resize rule of a new model if the user sets none.

    Args:
        weights: Source of the weights: ``none``, ``imagenet`` or a file.
        largest: Longer side of the largest picture, in pixels.
        size: Size of the model's input, in pixels.

    Returns:
        ``crop`` with ImageNet weights, which were trained this way; ``pad`` for pictures smaller
        than the model, so that they are not enlarged; else ``squash``.
    """
    if weights == "imagenet":
        return "crop"
    return "pad" if largest < size else "squash"
