r"""The lesson: what a convolution is, in numpy.

Knows: sliding a filter over a picture, pooling, the arithmetic of sizes, the classic kernels.
Does not know: files, networks, training. Everything here can be typed into Python and followed.

A filter is laid on the top left of a picture. Every number of the filter is multiplied by the
number beneath it, and the products are summed: that is the first value of the *feature map*.
Then the filter moves ``stride`` columns to the right, and so on to the bottom right. (In
mathematics this is called cross-correlation; neural networks call it convolution, as here.)

The course's example, a diagonal looked for in a picture of 6 x 6:

>>> rows = "100001 010010 001100 100010 010010 001010".split()
>>> picture = np.array([[int(digit) for digit in row] for row in rows])
>>> diagonal = np.identity(3, int)
>>> convolve(picture, diagonal)
array([[3, 1, 0, 1],
       [0, 2, 2, 0],
       [0, 0, 2, 2],
       [3, 0, 1, 1]])

At the top left the diagonal is found in full, which gives 3; one step to the right only one of
its three ones lies on a one. (The course prints another 4 x 4 map here, which does not follow
from its own filter.) Zeros around the picture keep its size:

>>> convolve(picture, diagonal, padding="same").shape
(6, 6)

Pooling keeps one number of each square, the largest or the mean:

>>> numbers = np.array([[3, -1, 12, -1], [-3, 1, 0, 1], [2, -3, 0, 1], [3, -2, 4, -1]])
>>> pool(numbers, 2)
array([[ 3, 12],
       [ 3,  4]])
>>> pool(numbers, 2, kind="average")
array([[0., 3.],
       [0., 1.]])

How the size changes through the course's baseline CNN, from 32 pixels to 7: a filter of 5, a
pooling of 2, a filter of 5 with two zeros around, a pooling of 2:

>>> output_size(32, 5), output_size(28, 2, stride=2), output_size(14, 5, padding=2)
(28, 14, 14)
>>> output_size(14, 2, stride=2)
7
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ConfigError

Array = npt.NDArray[Any]
Padding = int | Literal["same"]
Pooling = Literal["max", "average"]

_BINOMIAL = np.array([1, 4, 6, 4, 1])

KERNELS: MappingProxyType[str, Array] = MappingProxyType(
    {
        "edge": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
        "sobel-x": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        "sobel-y": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
        "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        "box-blur": np.full((3, 3), 1 / 9),
        "gaussian-blur": np.outer(_BINOMIAL, _BINOMIAL) / 256,
        "emboss": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    }
)
"""The classic filters. One whose numbers sum to 0 answers 0 wherever a picture is even."""


def output_size(
    size: int, filter_size: int, stride: int = 1, padding: Padding = 0, exact: bool = False
) -> int:
    """Work out how long a side is after a convolution or a pooling.

    ``floor((W - F + 2 P) / S) + 1``; with ``same``, ``ceil(W / S)``, as Keras has it.

    Args:
        size: W, of the picture, at least 1.
        filter_size: F, of the filter, at least 1.
        stride: S, how far the filter moves, at least 1.
        padding: P, zeros on either side, or ``same``: as many as keep the size at stride 1.
        exact: Refuse a stride that leaves pixels over at the end, which would be ignored.

    Returns:
        How many places the filter is laid on along this side, at least 1.

    Raises:
        ConfigError: The filter does not fit, a number is out of range, or with ``exact``
            pixels are left over.

    Examples:
        >>> output_size(227, 11, stride=4)
        55
        >>> output_size(10, 3, stride=2)
        4
        >>> output_size(10, 3, stride=2, padding="same")
        5
    """
    _check_numbers(size, filter_size, stride, padding)
    if padding == "same":
        return -(-size // stride)
    room = size - filter_size + 2 * padding
    if room < 0:
        raise ConfigError(
            f"a filter of {filter_size} does not fit a side of {size} with padding {padding}. "
            f"Use a filter of at most {size + 2 * padding}, or more padding."
        )
    if exact and room % stride:
        raise ConfigError(
            f"({size} - {filter_size} + 2 x {padding}) / {stride} leaves a remainder of "
            f"{room % stride}: that many pixels at the end would be ignored. "
            "Choose another stride or padding."
        )
    return room // stride + 1


def convolve(image: Array, kernel: Array, stride: int = 1, padding: Padding = 0) -> Array:
    """Slide a filter over a picture and sum the products at every place.

    ==============  ================  ===================================================
    picture         filter            result
    ==============  ================  ===================================================
    ``(H, W)``      ``(h, w)``        ``(H', W')``
    ``(H, W)``      ``(F, h, w)``     ``(H', W', F)``: F filters
    ``(H, W, C)``   ``(h, w)``        ``(H', W', C)``: each channel on its own
    ``(H, W, C)``   ``(h, w, C)``     ``(H', W')``: summed over the channels
    ``(H, W, C)``   ``(F, h, w, C)``  ``(H', W', F)``: as a layer of a network does
    ==============  ================  ===================================================

    Args:
        image: Numbers of any kind; whole numbers give exact whole numbers (int64).
        kernel: The filter or filters.
        stride: How far the filter moves, at least 1.
        padding: Zeros on every side, or ``same`` as Keras has it (where the zeros do not come
            out even, the bottom and the right get one more).

    Returns:
        The feature map or maps.

    Raises:
        ConfigError: Shapes that do not go together, or a filter that does not fit.

    Examples:
        >>> convolve(np.array([[1, 2, 3, 4]]), np.array([[1, 1]]), stride=2)
        array([[3, 7]])
    """
    image, kernel = np.asarray(image), np.asarray(kernel)
    by_channel = image.ndim == 3 and kernel.ndim == 2
    filters = kernel[None, :, :, None] if by_channel else _as_filters(image, kernel)
    pixels = image if image.ndim == 3 else image[:, :, None]
    kind = _result_type(image, kernel)
    result: Array | None = None
    for row, column, window in _windows(pixels, filters.shape[1:3], stride, padding):
        weights = filters[:, row, column, :].astype(kind)
        if by_channel or weights.size == 1:
            result = _add_scaled(result, window, weights.item(), kind)
        else:
            # One product of matrices: every pixel's channels with every filter's.
            term = window.astype(kind, copy=False) @ weights.T
            result = term if result is None else np.add(result, term, out=result)
    if result is None:
        raise ConfigError(f"a filter of shape {list(kernel.shape)} has no numbers.")
    several = by_channel or kernel.ndim == 4 or (image.ndim == 2 and kernel.ndim == 3)
    return result if several else result[:, :, 0]


def pool(
    feature_map: Array, size: int = 2, stride: int | None = None, kind: Pooling = "max"
) -> Array:
    """Shrink a feature map: the largest number, or the mean, of every square.

    Args:
        feature_map: ``(H, W)`` or ``(H, W, C)``; each channel is pooled on its own.
        size: Of the square.
        stride: How far it moves; None: ``size``, so that squares do not overlap.
        kind: ``max`` or ``average``.

    Returns:
        ``(H', W')`` or ``(H', W', C)``; means are floats.

    Raises:
        ConfigError: No such kind, or a square that does not fit.
    """
    if kind not in ("max", "average"):
        raise ConfigError(f"pooling {kind!r} is not known. Choose max or average.")
    numbers = np.asarray(feature_map)
    if numbers.ndim not in (2, 3):
        raise ConfigError(
            f"a feature map of shape {list(numbers.shape)}; expected [height, width] or "
            "[height, width, channels]."
        )
    windows = [
        window
        for _, _, window in _windows(
            numbers, (size, size), size if stride is None else stride, padding=0
        )
    ]
    pooled: Array = np.maximum.reduce(windows) if kind == "max" else np.mean(windows, axis=0)
    return pooled


def filter_picture(
    picture: npt.NDArray[np.uint8], kernel: Array, stride: int = 1, padding: Padding = 0
) -> npt.NDArray[np.uint8]:
    """Convolve a picture so that the result can be looked at.

    Args:
        picture: uint8 ``[height, width]`` or ``[height, width, channels]``.
        kernel: ``(h, w)``; each channel is convolved on its own.
        stride: How far the filter moves.
        padding: Zeros on every side, or ``same``.

    Returns:
        uint8; values beyond 0 and 255 are cut off. A filter whose numbers sum to 0 answers
        with either sign around 0, so its answers' sizes are shown.

    Raises:
        ConfigError: A filter that does not fit.
    """
    response = convolve(picture, kernel.astype(np.float32), stride, padding)
    if abs(float(kernel.sum())) < 1e-6:
        np.abs(response, out=response)
    np.rint(response, out=response)
    return np.clip(response, 0, 255, out=response).astype(np.uint8)


def padded(image: Array, size: Sequence[int], stride: int, padding: Padding) -> Array:
    """Put the zeros around a picture that a convolution puts there.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``.
        size: Height and width of the filter.
        stride: How far it moves.
        padding: Zeros on every side, or ``same``.

    Returns:
        The larger picture; the picture itself where no zeros are needed.
    """
    borders = [
        _border(side, part, stride, padding) for side, part in zip(image.shape, size, strict=False)
    ]
    return np.pad(image, [*borders, (0, 0)][: image.ndim]) if any(map(any, borders)) else image


def parse_kernel(text: str, source: str = "kernel") -> Array:
    r"""Read a filter from text: one row a line, numbers between spaces or commas.

    Args:
        text: For example ``"0 -1 0\n-1 5 -1\n0 -1 0"``.
        source: Where it came from, for messages.

    Returns:
        float64 ``[height, width]``.

    Raises:
        ConfigError: No numbers, or rows of different lengths.

    Examples:
        >>> parse_kernel("1 2\n3 4.5")
        array([[1. , 2. ],
               [3. , 4.5]])
    """
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    try:
        kernel = np.array([[float(word) for word in row] for row in rows])
    except ValueError as error:
        raise ConfigError(
            f"{source}: not a filter ({error}). Expected one row of numbers a line, all rows "
            "of one length, for example: 0 -1 0"
        ) from error
    if kernel.ndim != 2 or not kernel.size or not np.isfinite(kernel).all():
        raise ConfigError(f"{source}: no filter in it. Expected rows of finite numbers.")
    return kernel


def _windows(
    pixels: Array, size: Sequence[int], stride: int, padding: Padding
) -> Iterator[tuple[int, int, Array]]:
    """For every number of the filter, give all the pixels it ever lies on, as one array."""
    height, width = (
        output_size(side, part, stride, padding)
        for side, part in zip(pixels.shape, size, strict=False)
    )
    pixels = padded(pixels, size, stride, padding)
    for row in range(size[0]):
        for column in range(size[1]):
            rows = slice(row, row + stride * (height - 1) + 1, stride)
            columns = slice(column, column + stride * (width - 1) + 1, stride)
            yield row, column, pixels[rows, columns]


def _border(size: int, filter_size: int, stride: int, padding: Padding) -> tuple[int, int]:
    if padding != "same":
        return padding, padding
    total = max(0, (-(-size // stride) - 1) * stride + filter_size - size)
    return total // 2, total - total // 2


def _add_scaled(
    result: Array | None, window: Array, weight: complex, kind: np.dtype[Any]
) -> Array | None:
    """Add ``weight * window``, making no array that is not needed: photographs are large."""
    if result is None:
        return np.multiply(window, weight, dtype=kind)
    if weight:
        result += np.multiply(window, weight, dtype=kind)
    return result


def _result_type(image: Array, kernel: Array) -> np.dtype[Any]:
    if image.dtype == np.uint8 and kernel.dtype == np.float32:
        return np.dtype(np.float32)  # every uint8 is exact in it
    kind = np.result_type(image, kernel)
    return kind if np.issubdtype(kind, np.inexact) else np.result_type(kind, np.int64)


def _as_filters(image: Array, kernel: Array) -> Array:
    """Bring a filter, or filters, to ``(F, h, w, C)``, or say what does not fit."""
    channels = image.shape[2] if image.ndim == 3 else 1
    filters = kernel
    if image.ndim == 2 and kernel.ndim in (2, 3):
        filters = kernel.reshape(-1, *kernel.shape[-2:], 1)
    elif image.ndim == 3 and kernel.ndim == 3:
        filters = kernel[None]
    if image.ndim not in (2, 3) or filters.ndim != 4 or filters.shape[3] != channels:
        raise ConfigError(
            f"a picture of shape {list(image.shape)} and a filter of shape {list(kernel.shape)} "
            "do not go together. Expected [H, W] with [h, w], or [H, W, C] with [h, w], "
            "[h, w, C] or [F, h, w, C]."
        )
    return filters


def _check_numbers(size: int, filter_size: int, stride: int, padding: Padding) -> None:
    limits: dict[str, tuple[object, bool, str]] = {
        "size": (size, size >= 1, "at least 1"),
        "filter size": (filter_size, filter_size >= 1, "at least 1"),
        "stride": (stride, stride >= 1, "at least 1"),
        "padding": (
            padding,
            padding == "same" if isinstance(padding, str) else padding >= 0,
            "a whole number from 0, or 'same'",
        ),
    }
    for name, (value, good, expected) in limits.items():
        if not good:
            raise ConfigError(f"{name} is {value!r}; expected {expected}.")
