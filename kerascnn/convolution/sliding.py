"""Slides a filter over a picture, and pools feature maps.

Knows: one pass per number of the filter, over all positions at once. Does not know the arithmetic
of sizes (:mod:`kerascnn.convolution.sizes`), or any filter by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kerascnn.convolution.sizes import Array, Padding, output_size, padded
from kerascnn.errors import ConfigError

Pooling = Literal["max", "average"]

_STRIP = 1 << 20
"""Pixels of a large picture to compute at a time: as float32 they take eight times their memory."""


def convolve(image: Array, kernel: Array, stride: int = 1, padding: Padding = 0) -> Array:
    """Slide a filter over a picture, and sum the products at every position.

    | picture | filter | result |
    |---|---|---|
    | ``(H, W)`` | ``(h, w)`` | ``(H', W')`` |
    | ``(H, W)`` | ``(F, h, w)`` | ``(H', W', F)``: F filters |
    | ``(H, W, C)`` | ``(h, w)`` | ``(H', W', C)``: each channel on its own |
    | ``(H, W, C)`` | ``(h, w, C)`` | ``(H', W')``: summed over the channels |
    | ``(H, W, C)`` | ``(F, h, w, C)`` | ``(H', W', F)``: as a layer of a network does |

    Args:
        image: Numbers of any type; integers give exact integers (int64).
        kernel: The filter or filters.
        stride: Step of the filter, at least 1.
        padding: Zeros on every side, or ``same`` as in Keras (if their number is odd, the bottom
            and the right get one more).

    Returns:
        The feature map or maps.

    Raises:
        ConfigError: Shapes that do not match, or a filter that does not fit the picture.

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
            # One matrix product of every pixel's channels with every filter's.
            term = window.astype(kind, copy=False) @ weights.T
            result = term if result is None else np.add(result, term, out=result)
    if result is None:
        raise ConfigError(f"a filter of shape {list(kernel.shape)} is empty.")
    several = by_channel or kernel.ndim == 4 or (image.ndim == 2 and kernel.ndim == 3)
    return result if several else result[:, :, 0]


def pool(
    feature_map: Array, size: int = 2, stride: int | None = None, kind: Pooling = "max"
) -> Array:
    """Pool a feature map: the maximum or the mean of every square.

    Args:
        feature_map: ``(H, W)`` or ``(H, W, C)``; each channel is pooled separately.
        size: Side of the square.
        stride: Step of the square; None: ``size``, so that squares do not overlap.
        kind: ``max`` or ``average``.

    Returns:
        ``(H', W')`` or ``(H', W', C)``; means are floats.

    Raises:
        ConfigError: Unknown kind, or a square that does not fit.
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
    """Convolve a picture, with a result that can be shown.

    Args:
        picture: uint8 ``[height, width]`` or ``[height, width, channels]``.
        kernel: ``(h, w)``; each channel is convolved separately.
        stride: Step of the filter.
        padding: Zeros on every side, or ``same``.

    Returns:
        uint8, clipped to 0 to 255. For a filter whose numbers sum to 0, whose response has both
        signs, the absolute values.

    Raises:
        ConfigError: A filter that does not fit.
    """
    height, width = (
        output_size(side, part, stride, padding)
        for side, part in zip(picture.shape, kernel.shape, strict=False)
    )
    pixels = padded(picture, kernel.shape, stride, padding)
    answer = np.empty((height, width, *picture.shape[2:]), np.uint8)
    weights = kernel.astype(np.float32)
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        count = min(step, height - top)
        rows = slice(top * stride, (top + count - 1) * stride + kernel.shape[0])
        answer[top : top + count] = _visible(pixels[rows], weights, stride)
    return answer


def _visible(pixels: Array, kernel: Array, stride: int) -> Array:
    response = convolve(pixels, kernel, stride)
    if abs(float(kernel.sum())) < 1e-6:
        np.abs(response, out=response)
    np.rint(response, out=response)
    return np.clip(response, 0, 255, out=response).astype(np.uint8)


def _windows(
    pixels: Array, size: Sequence[int], stride: int, padding: Padding
) -> Iterator[tuple[int, int, Array]]:
    """Yield, for every number of the filter, all pixels that it is multiplied by, as one array."""
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


def _add_scaled(
    result: Array | None, window: Array, weight: complex, kind: np.dtype[Any]
) -> Array | None:
    """Add ``weight * window`` in place, because photographs are large."""
    if result is None:
        return np.multiply(window, weight, dtype=kind)
    if weight:
        result += np.multiply(window, weight, dtype=kind)
    return result


def _result_type(image: Array, kernel: Array) -> np.dtype[Any]:
    if image.dtype == np.uint8 and kernel.dtype == np.float32:
        return np.dtype(np.float32)  # represents every uint8 exactly
    kind = np.result_type(image, kernel)
    return kind if np.issubdtype(kind, np.inexact) else np.result_type(kind, np.int64)


def _as_filters(image: Array, kernel: Array) -> Array:
    """Reshape a filter, or filters, to ``(F, h, w, C)``; raise if the shapes do not match."""
    channels = image.shape[2] if image.ndim == 3 else 1
    filters = kernel
    if image.ndim == 2 and kernel.ndim in (2, 3):
        filters = kernel.reshape(-1, *kernel.shape[-2:], 1)
    elif image.ndim == 3 and kernel.ndim == 3:
        filters = kernel[None]
    if image.ndim not in (2, 3) or filters.ndim != 4 or filters.shape[3] != channels:
        raise ConfigError(
            f"a picture of shape {list(image.shape)} and a filter of shape {list(kernel.shape)} "
            "do not fit together. Expected [H, W] with [h, w], or [H, W, C] with [h, w], "
            "[h, w, C] or [F, h, w, C]."
        )
    return filters
