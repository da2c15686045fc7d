"""Converts tensors of the Open Inference Protocol from JSON or bytes to arrays, and back.

Knows: shapes, data types, the two encodings, the classification extension. Does not know
requests as a whole.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.images import UInt8Array
from kerascnn.serving.http.base64_files import read_base64
from kerascnn.serving.http.errors import HttpError

Floats = npt.NDArray[np.float32]


def read_shape(shape: Any, name: str) -> tuple[int, int, int, int]:
    """Check the shape of a tensor of pictures.

    Raises:
        HttpError: 400: not four positive whole numbers, the last being 3.
    """
    # Exact types, because bool is a subclass of int.
    whole = isinstance(shape, list) and len(shape) == 4 and {*map(type, shape)} == {int}
    if not whole or min(shape) < 1 or shape[3] != 3:
        raise HttpError(
            400,
            f"input {name!r} has shape {_short(shape)}; expected [pictures, height, width, 3], "
            "all above 0.",
        )
    pictures, height, width, channels = shape
    return pictures, height, width, channels


def read_count(shape: Any, name: str, most: int) -> int:
    """Check the shape of a tensor of files: ``[n]`` or ``[n, 1]``.

    Raises:
        HttpError: 400: neither ``[n]`` nor ``[n, 1]``, or too many.
    """
    whole = isinstance(shape, list) and all(type(length) is int for length in shape)
    if not whole or len(shape) not in (1, 2) or shape[0] < 1 or shape[1:] not in ([], [1]):
        raise HttpError(
            400,
            f"input {name!r} has shape {_short(shape)}; of BYTES expected [pictures] or "
            "[pictures, 1].",
        )
    count: int = shape[0]
    if count > most:
        raise HttpError(400, f"{count:,} pictures; expected at most {most:,} at a time.")
    return count


def files_from_json(data: Sequence[Any], count: int, name: str) -> list[bytes]:
    """Read a tensor of files, sent as base64, from JSON; ``name`` is for messages.

    Raises:
        HttpError: 400: not base64, or a wrong number of files.
    """
    if len(data) != count:
        raise HttpError(400, f"input {name!r} has {len(data):,} values, but shape [{count}].")
    return [read_base64(text, f"input {name!r}[{number}]") for number, text in enumerate(data)]


def files_from_bytes(data: memoryview, count: int, name: str) -> list[bytes]:
    """Read a tensor of files from bytes, each after its length in four bytes (little-endian).

    Raises:
        HttpError: 400: the lengths do not match, or a wrong number of files.
    """
    files: list[bytes] = []
    position = 0
    while position + 4 <= len(data) and len(files) < count:
        end = position + 4 + int.from_bytes(data[position : position + 4], "little")
        files.append(bytes(data[position + 4 : end]))
        position = end
    if position != len(data) or len(files) != count:
        raise HttpError(
            400,
            f"input {name!r}: {len(data):,} bytes do not hold {count:,} files, each after its "
            "length in four bytes.",
        )
    return files


def from_json(data: Any, shape: tuple[int, ...], name: str) -> UInt8Array:
    """Read uint8 pictures from JSON: whole numbers from 0 to 255, flat or nested, row-major.

    Raises:
        HttpError: 400: other values, or a wrong number of them.
    """
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise HttpError(400, f"input {name!r}: its data is not a tensor ({error}).") from error
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 255:
        raise HttpError(
            400, f"input {name!r}: its data has values other than whole numbers from 0 to 255."
        )
    if (values.ndim > 1 and values.shape != shape) or values.size != math.prod(shape):
        raise HttpError(
            400,
            f"input {name!r}: its data has shape {list(values.shape)}, not {list(shape)} as its "
            "shape says.",
        )
    return values.astype(np.uint8).reshape(shape)


def from_bytes(data: memoryview, shape: tuple[int, ...], name: str) -> UInt8Array:
    """Read uint8 pictures from bytes, one per value and row-major, as a view of them.

    Raises:
        HttpError: 400: a wrong number of bytes.
    """
    expected = math.prod(shape)
    if len(data) != expected:
        raise HttpError(
            400,
            f"input {name!r}: {len(data):,} bytes of data, but shape {_short(list(shape))} of "
            f"UINT8 takes {expected:,}.",
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def classified(values: Floats, count: int, classes: Sequence[str]) -> list[str]:
    """Return the top classes as ``value:index:label``, the format of Triton's extension.

    Args:
        values: float32 ``[n, classes]``.
        count: Classes per row, at most the number of classes.
        classes: Class names, in order.

    Returns:
        ``n * count`` texts, row by row.
    """
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    return [
        f"{values[row, index]:f}:{index}:{classes[index]}"
        for row, indices in enumerate(order)
        for index in indices
    ]


def to_bytes(values: Floats | list[str]) -> bytes:
    """Serialize a tensor, little-endian; each text in UTF-8, after its length in four bytes."""
    if isinstance(values, list):
        encoded = [text.encode() for text in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    return values.astype("<f4", copy=False).tobytes()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
