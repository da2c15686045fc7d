"""JSON of any length, in steps so short that nobody has to wait for them.

Knows: msgspec, and that a thread which is inside of it keeps all others waiting: so long arrays of
numbers are read and written a few thousand at a time. Does not know what a message means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from kerascnn.images import UInt8Array
from kerascnn.printable import printable_json
from kerascnn.serving.endpoints import v2_tensors as tensors
from kerascnn.serving.http.errors import HttpError

_SHORT = 262_144
"""Bytes that Python's own reader takes in a few milliseconds; it tells best what is wrong."""

_PIECE = 32_768
"""Bytes of numbers that are read, and values that are written, at a time."""

_FEW = 65_536
"""Elements of an array, at most, that become objects at once."""

_INTEGERS = msgspec.json.Decoder(list[int])
_ROWS = msgspec.json.Decoder(list[list[int]])
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])


class _Tensor(msgspec.Struct, omit_defaults=True):
    """An input whose data is not read yet."""

    name: Any = msgspec.UNSET
    datatype: Any = msgspec.UNSET
    shape: Any = msgspec.UNSET
    parameters: Any = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Request(msgspec.Struct, omit_defaults=True):
    """A request for inference, as far as its length can matter."""

    inputs: list[_Tensor] | msgspec.UnsetType = msgspec.UNSET
    outputs: Any = msgspec.UNSET
    parameters: Any = msgspec.UNSET
    id: Any = msgspec.UNSET


class _Index(msgspec.Struct):
    """A request for the repository's index."""

    ready: bool = False


_REQUESTS = msgspec.json.Decoder(_Request)


def read_json(text: bytes) -> Any:
    """Read a request for inference.

    Returns:
        Its plain values; the ``data`` of inputs may be :class:`msgspec.Raw`, for
        :func:`read_values`.

    Raises:
        HttpError: 400: not JSON, or a long request that is none.
    """
    try:
        request = _REQUESTS.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if len(text) > _SHORT:
            raise HttpError(400, f"not a valid JSON request ({reason_of(error)}).") from error
        return _read_short(text)
    fields = _fields(request)
    if "inputs" in fields:
        fields["inputs"] = [_fields(tensor) for tensor in fields["inputs"]]
    return fields


def reason_of(error: Exception) -> str:
    """Return what a parser says of a message."""
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def read_only_ready(text: bytes) -> bool:
    """Read a request for the repository's index.

    Returns:
        Whether it is for models that are ready only.

    Raises:
        HttpError: 400: no such request.
    """
    try:
        return msgspec.json.decode(text or b"{}", type=_Index).ready
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        expected = 'nothing, or {"ready": true}'
        raise HttpError(400, f"expected {expected} ({reason_of(error)}).") from error


def read_values(data: Any, shape: tuple[int, ...], name: str) -> UInt8Array:
    """As :func:`.v2_tensors.from_json`, for data of :func:`read_json` that may be unread text."""
    text = bytes(data) if isinstance(data, msgspec.Raw) else json.dumps(data).encode()
    try:
        values = np.frombuffer(b"".join(_numbers(text, shape)), np.uint8)
        if values.size and values.size == math.prod(shape):
            return values.reshape(shape)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        if len(text) > _SHORT:
            raise HttpError(
                400,
                f"input {name!r}: its data is not a tensor of shape {list(shape)} of whole numbers "
                "from 0 to 255.",
            ) from error
    else:
        if len(text) > _SHORT:
            raise HttpError(
                400,
                f"input {name!r}: its data has {values.size:,} values, not {list(shape)} as its "
                "shape says.",
            )
    if b"true" in text or b"false" in text:  # numpy takes them for 1 and 0 among numbers
        raise HttpError(
            400,
            f"input {name!r}: its data has true or false; expected whole numbers from 0 to 255.",
        )
    return tensors.from_json(_read_short(text), shape, name)


def read_texts(data: Any, count: int, name: str) -> list[Any]:
    """Read the texts of a tensor.

    Args:
        data: Data from :func:`read_json`: texts, flat or nested.
        count: Expected number.
        name: Name of the tensor, for messages.

    Returns:
        The texts, or other values, as many.

    Raises:
        HttpError: 400: no array, or of more of them.
    """
    try:
        if isinstance(data, msgspec.Raw):
            data = [_text(bytes(part)) for part in split_list(bytes(data), count)]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise HttpError(
            400,
            f"input {name!r}: its data is not an array of {count:,} texts ({str(error)[:100]}).",
        ) from error
    if not isinstance(data, list):
        raise HttpError(400, f"input {name!r}: its data is not an array of {count:,} texts.")
    return [one for row in data for one in (row if isinstance(row, list) else [row])]


def _text(part: bytes) -> Any:
    """Read a text, or an array of one."""
    inner = split_list(part, 1) if part[:1] == b"[" else [msgspec.Raw(part)]
    return [msgspec.json.decode(one) for one in inner]


def split_list(text: bytes, most: int) -> list[msgspec.Raw]:
    """Split an array into its elements, which are not read yet.

    Args:
        text: A JSON document.
        most: Elements that are taken; each becomes an object, and there may be millions.

    Raises:
        ValueError: No array, or one of more elements; or a long one that holds texts and very many
            other values.
        msgspec.DecodeError: Not JSON.
    """
    if not _has_many(text):
        elements = _PARTS.decode(text)
    elif b'"' in text or text[:1] != b"[" or text[-1:] != b"]":
        raise ValueError("no array, or one of texts and of too many other values")
    else:
        cuts = [0, *_cuts(text, most), len(text) - 1]
        elements = [msgspec.Raw(text[a + 1 : b].strip()) for a, b in pairwise(cuts)]
    if len(elements) > most:
        raise ValueError(f"more than {most:,} elements")
    return elements


def _has_many(text: bytes) -> bool:
    """Return whether there may be more elements than become objects at once."""
    commas = 0
    for start in range(0, len(text), _SHORT):
        commas += text.count(b",", start, start + _SHORT)
        if commas >= _FEW:
            return True
    return False


def _cuts(text: bytes, most: int) -> list[int]:
    """Find the commas between the elements of an array of numbers and arrays."""
    cuts: list[int] = []
    depth = 0
    for start in range(0, len(text), _SHORT):
        codes = np.frombuffer(text, np.uint8, min(_SHORT, len(text) - start), start)
        opened = (codes == ord("[")).astype(np.int32) - (codes == ord("]"))
        depths = depth + np.cumsum(opened)
        cuts += (start + np.flatnonzero((codes == ord(",")) & (depths == 1))).tolist()
        depth = int(depths[-1])
        if len(cuts) > most:
            break
    return cuts


def write_json(value: Any) -> bytes:
    """Write something short."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone half of a character, which becomes an escape
        return json.dumps(value, allow_nan=False).encode()


def write_with_names(value: Any) -> bytes:
    """Write something with names of files in it; what no terminal shows as it is becomes escapes.

    Numbers must be finite.
    """
    return printable_json(write_json(value).decode()).encode()


def write_values(values: tensors.Floats | list[str]) -> Iterator[bytes]:
    """Write the values of a tensor as a flat array.

    Raises:
        HttpError: 422: a value is none that JSON can hold.
    """
    flat = values if isinstance(values, list) else values.ravel()
    if not isinstance(flat, list) and not np.isfinite(flat).all():
        raise HttpError(422, "the network's output for a picture is not finite (NaN or infinite).")
    yield b"["
    for start in range(0, len(flat), _PIECE // 16):
        piece = flat[start : start + _PIECE // 16]
        plain = piece if isinstance(piece, list) else piece.tolist()
        yield (b"," if start else b"") + msgspec.json.encode(plain)[1:-1]
    yield b"]"


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    values = msgspec.structs.asdict(struct)
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def _numbers(text: bytes, shape: tuple[int, ...]) -> Iterator[bytes]:
    """Read numbers, checking that they are nested as the shape says, or not at all."""
    if text[1:1000].lstrip()[:1] != b"[":
        yield from _flat(text)
        return
    length, *inner = shape
    if len(inner) == 1:
        yield _rows(text, length, inner[0])
        return
    parts = split_list(text, length)
    if len(parts) != length or not inner:
        raise ValueError("another shape")
    for part in parts:
        if bytes(part)[1:1000].lstrip()[:1] != b"[":
            raise ValueError("another shape")
        yield from _numbers(bytes(part), tuple(inner))


def _rows(text: bytes, count: int, length: int) -> bytes:
    rows = _ROWS.decode(text)
    if len(rows) != count or any(len(row) != length for row in rows):
        raise ValueError("another shape")
    return b"".join(map(bytes, rows))


def _flat(text: bytes) -> Iterator[bytes]:
    """Read a flat array a piece at a time, cut where one number ends."""
    start, end = 1, len(text) - 1
    if text[:1] != b"[":
        raise ValueError("no array")
    while start < end:
        cut = text.find(b",", min(start + _PIECE, end))
        cut = end if cut < 0 else cut
        numbers = _INTEGERS.decode(b"[%s]" % text[start:cut])
        if not numbers and (start > 1 or cut < end):
            raise ValueError("nothing between two commas")
        yield bytes(numbers)
        start = cut + 1


def _read_short(text: bytes) -> Any:
    try:
        return json.loads(text.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise HttpError(400, f"the request is not JSON ({reason_of(error)}).") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")
