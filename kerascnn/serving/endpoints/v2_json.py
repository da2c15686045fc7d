"""The JSON of inference requests in the Open Inference Protocol v2, of any length.

Knows: its fields, and that long arrays are decoded a few thousand numbers at a time. Does not know
what the fields mean (:mod:`.v2_messages`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from kerascnn.images import UInt8Array
from kerascnn.serving.endpoints import v2_tensors as tensors
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.incremental_json import not_json, reason_of, split_list

_SHORT = 262_144
"""Size in bytes up to which Python's own parser, which has the best error messages, takes at most
10 ms."""

_PIECE = 32_768
"""Bytes of numbers to read at a time, which takes about 0.1 ms."""

_INTEGERS = msgspec.json.Decoder(list[int])
_ROWS = msgspec.json.Decoder(list[list[int]])


class _Tensor(msgspec.Struct, omit_defaults=True):
    """An input whose data is not decoded yet."""

    name: Any = msgspec.UNSET
    datatype: Any = msgspec.UNSET
    shape: Any = msgspec.UNSET
    parameters: Any = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Request(msgspec.Struct, omit_defaults=True):
    """An inference request, with the fields that may be long."""

    inputs: list[_Tensor] | msgspec.UnsetType = msgspec.UNSET
    outputs: Any = msgspec.UNSET
    parameters: Any = msgspec.UNSET
    id: Any = msgspec.UNSET


class _Index(msgspec.Struct):
    """A request for the repository index."""

    ready: bool = False


_REQUESTS = msgspec.json.Decoder(_Request)


def read_json(text: bytes) -> Any:
    """Parse an inference request.

    Returns:
        Its plain values; the ``data`` of inputs may be :class:`msgspec.Raw`, for
        :func:`read_values`.

    Raises:
        HttpError: 400: not JSON, or a long body that is not an inference request.
    """
    try:
        request = _REQUESTS.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if len(text) > _SHORT:
            raise not_json(text, "not a valid JSON request", error) from error
        return _read_short(text)
    fields = _fields(request)
    if "inputs" in fields:
        fields["inputs"] = [_fields(tensor) for tensor in fields["inputs"]]
    return fields


def read_only_ready(text: bytes) -> bool:
    """Parse a request for the repository index: whether it is for ready models only.

    Raises:
        HttpError: 400: not a valid request.
    """
    try:
        return msgspec.json.decode(text or b"{}", type=_Index).ready
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        expected = 'nothing, or {"ready": true}'
        raise HttpError(400, f"expected {expected} ({reason_of(error)}).") from error


def read_values(data: Any, shape: tuple[int, ...], name: str) -> UInt8Array:
    """Decode like :func:`.v2_tensors.from_json`, for data of :func:`read_json`, raw or not."""
    text = bytes(data) if isinstance(data, msgspec.Raw) else json.dumps(data).encode()
    try:
        values = np.frombuffer(b"".join(_numbers(text, shape)), np.uint8)
        if values.size and values.size == math.prod(shape):
            return values.reshape(shape)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        if len(text) > _SHORT:
            what = f"not a tensor of shape {list(shape)} of whole numbers from 0 to 255."
            raise HttpError(400, f"input {name!r}: its data is {what}") from error
    else:
        if len(text) > _SHORT:
            what = f"{values.size:,} values, not {list(shape)} as its shape says."
            raise HttpError(400, f"input {name!r}: its data has {what}")
    if b"true" in text or b"false" in text:  # numpy would convert them to 1 and 0
        raise HttpError(
            400,
            f"input {name!r}: its data has true or false; expected whole numbers from 0 to 255.",
        )
    return tensors.from_json(_read_short(text), shape, name)


def read_texts(data: Any, count: int, name: str) -> list[Any]:
    """Decode the texts of a tensor, flat or nested; that they are texts is not checked here.

    Raises:
        HttpError: 400: not an array, or one with too many elements.
    """
    try:
        if isinstance(data, msgspec.Raw):
            data = [_text(bytes(part)) for part in split_list(bytes(data), count)]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise HttpError(
            400,
            f"input {name!r}: its data is not an array of {count:,} strings ({str(error)[:100]}).",
        ) from error
    if not isinstance(data, list):
        raise HttpError(400, f"input {name!r}: its data is not an array of {count:,} strings.")
    return [one for row in data for one in (row if isinstance(row, list) else [row])]


def _text(part: bytes) -> Any:
    """Decode a text, or an array of one text, to a list."""
    inner = split_list(part, 1) if part[:1] == b"[" else [msgspec.Raw(part)]
    return [msgspec.json.decode(one) for one in inner]


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    values = msgspec.structs.asdict(struct)
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def _numbers(text: bytes, shape: tuple[int, ...]) -> Iterator[bytes]:
    """Decode numbers, checking that they are flat or nested according to the shape."""
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
    """Decode a flat array in pieces, split between numbers."""
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
        raise not_json(text, "the request is not JSON", error) from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")
