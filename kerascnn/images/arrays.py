"""Checks arrays that are given as pictures, and the sides of any picture; converts RGB to gray.

Knows: types, shapes, the limits of sides, the formula of gray. Does not know files or models;
``kerascnn.training.export.preprocessing`` builds the same arithmetic into the exported graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.errors import PictureError, kind_and_line
from kerascnn.images.limits import MAX_ASPECT, MAX_SIDE
from kerascnn.images.resizing import UInt8Array

GRAY_WEIGHTS = (19595, 38470, 7471)
"""Weights of red, green and blue, in 65536ths: ITU-R BT.601 as rounded by Pillow's
``convert("L")``. They sum to 65536, so a gray picture keeps its values."""


def array_of(value: object) -> npt.NDArray[Any] | None:
    """Return an array, or a tensor of TensorFlow, PyTorch or JAX, as an array; None for others.

    Raises:
        PictureError: A tensor that NumPy cannot read, such as one on a GPU.
    """
    if not hasattr(value, "__array__") or hasattr(value, "columns"):  # not a table
        return None
    try:
        return np.asarray(value)
    except (TypeError, RuntimeError, ValueError) as error:
        raise PictureError(
            f"a value of type {type(value).__name__} that NumPy cannot read "
            f"({kind_and_line(error)}). Convert it to an array first."
        ) from error


def rgb_array(array: npt.NDArray[np.generic], name: str = "picture") -> UInt8Array:
    """Check that an array is a picture, and convert it to RGB.

    Args:
        array: uint8 ``[height, width]`` (gray), ``[height, width, 1]`` or
            ``[height, width, 3]`` (RGB).
        name: What to call it in an error.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        PictureError: Wrong type or shape, or no pixels.
    """
    array = np.asarray(array)  # np.matrix, a subclass, cannot become three-dimensional
    if array.dtype != np.uint8:
        raise PictureError(
            f"{name}: values of type {array.dtype}, expected uint8 from 0 to 255. "
            "Convert them first: guessing their range could give wrong results."
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise PictureError(
            f"{name}: an array of shape {list(array.shape)}, expected [height, width, 3] (RGB) or "
            f"[height, width] (gray).{_advice(array.shape)}"
        )
    check_sides(array.shape[1], array.shape[0], name)
    picture = array.astype(np.uint8, copy=False)
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def _advice(shape: tuple[int, ...]) -> str:
    """Say what to do with an array whose channels are not those of RGB."""
    if len(shape) == 3 and shape[0] in (1, 3):
        return " Move the channels to the end."
    return " Leave out the alpha channel." if len(shape) == 3 and shape[2] == 4 else ""


def check_sides(width: int, height: int, name: str) -> None:
    """Refuse a picture that is costly to resize, whatever its number of pixels.

    Raises:
        PictureError: It is too long or too narrow.
    """
    longer, shorter = max(width, height), min(width, height)
    if longer > MAX_SIDE or longer > MAX_ASPECT * shorter:
        raise PictureError(
            f"{name}: {width} x {height} is too long or too narrow. Expected at most {MAX_SIDE:,} "
            f"pixels per side, and one side at most {MAX_ASPECT:,} times the other. Crop it first."
        )


def gray(pictures: UInt8Array) -> UInt8Array:
    """Convert RGB, uint8 ``[..., 3]``, to gray, uint8 ``[..., 1]``, exactly as Pillow does.

    Examples:
        >>> gray(np.asarray([[255, 0, 0], [7, 7, 7]], np.uint8)).tolist()
        [[76], [7]]
    """
    total = pictures.astype(np.int32) @ np.asarray(GRAY_WEIGHTS, np.int32)
    return ((total + 32768) >> 16).astype(np.uint8)[..., None]
