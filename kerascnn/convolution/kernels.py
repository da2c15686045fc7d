"""The classic filters, and filters from text.

Knows: their numbers. Does not know how they are used.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from kerascnn.convolution.sizes import Array
from kerascnn.errors import ConfigError

_BINOMIAL = np.array([1, 4, 6, 4, 1])
"""Fourth row of Pascal's triangle, whose outer product is the usual 5 x 5 approximation of a
Gaussian."""

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
"""The classic filters. If the numbers of one sum to 0, its response to a uniform area is 0."""


def parse_kernel(text: str, source: str = "kernel") -> Array:
    r"""Parse a filter from text: one row per line, numbers separated by spaces or commas.

    Args:
        text: For example ``"0 -1 0\n-1 5 -1\n0 -1 0"``.
        source: Its origin, for messages.

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
            f"{source}: not a filter ({error}). Expected one row of numbers per line, all rows "
            "of one length, for example: 0 -1 0"
        ) from error
    if kernel.ndim != 2 or not kernel.size or not np.isfinite(kernel).all():
        raise ConfigError(f"{source}: no filter in it. Expected rows of finite numbers.")
    return kernel
