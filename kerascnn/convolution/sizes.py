"""Output sizes of a convolution, and padding.

Knows: the formula, and Keras' ``same``. Does not know the numbers in a picture or a filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ConfigError

Array = npt.NDArray[Any]
Padding = int | Literal["same"]


def output_size(
    size: int, filter_size: int, stride: int = 1, padding: Padding = 0, exact: bool = False
) -> int:
    """Compute the length of a side after a convolution or pooling.

    ``floor((W - F + 2 P) / S) + 1``; with ``same``, ``ceil(W / S)``, as in Keras.

    Args:
        size: W, side of the picture, at least 1.
        filter_size: F, side of the filter, at least 1.
        stride: S, step of the filter, at least 1.
        padding: P, zeros on either side, or ``same``: as many as keep the size at stride 1.
        exact: Whether to refuse a stride that leaves a remainder of pixels, which would be ignored.

    Returns:
        Number of positions of the filter along this side, at least 1.

    Raises:
        ConfigError: The filter does not fit, a number is out of range, or, with ``exact``, there is
            a remainder.

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


def padded(image: Array, size: Sequence[int], stride: int, padding: Padding) -> Array:
    """Pad ``(H, W)`` or ``(H, W, C)`` with zeros like a convolution, or not at all."""
    borders = [
        _border(side, part, stride, padding) for side, part in zip(image.shape, size, strict=False)
    ]
    return np.pad(image, [*borders, (0, 0)][: image.ndim]) if any(map(any, borders)) else image


def _border(size: int, filter_size: int, stride: int, padding: Padding) -> tuple[int, int]:
    if padding != "same":
        return padding, padding
    total = max(0, (-(-size // stride) - 1) * stride + filter_size - size)
    return total // 2, total - total // 2


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
