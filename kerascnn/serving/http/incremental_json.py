"""Reads and writes JSON of any length in short steps.

Knows: msgspec, and that it holds the interpreter lock, so long arrays of numbers are processed a
few thousand at a time. Does not know the meaning of a message.
"""

from __future__ import annotations

import json
import math
import re
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
"""Size in bytes up to which Python's own parser, which has the best error messages, takes only a
few milliseconds."""

_PIECE = 32_768
"""Bytes of numbers to read at a time; a sixteenth of it is the values to write at a time."""

_MAX_ELEMENTS = 65_536
"""Maximum elements of an array to decode in one call."""

_INTEGERS = msgspec.json.Decoder(list[int])
_ROWS = msgspec.json.Decoder(list[list[int]])
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])


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

_FILE = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|BM|II\*\0|MM\0\*|--", re.DOTALL)
"""Beginnings of pictures and of forms."""


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


def not_json(text: bytes, what: str, error: Exception) -> HttpError:
    """Return the error for a body that cannot be parsed, and what to do with a picture."""
    instead = (
        " A picture's file, as it is or in a form, is for /v1/models/NAME/predict; in JSON it is "
        "sent in base64."
        if _FILE.match(text)
        else ""
    )
    return HttpError(400, f"{what} ({reason_of(error)}).{instead}")


def reason_of(error: Exception) -> str:
    """Return the message of a parser's error."""
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def read_only_ready(text: bytes) -> bool:
    """Parse a request for the repository index.

    Returns:
        Whether only models that are ready are requested.

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
    """Decode the texts of a tensor.

    Args:
        data: Data from :func:`read_json`: texts, flat or nested.
        count: Expected number.
        name: Name of the tensor, for messages.

    Returns:
        The texts, or other values, which are not checked.

    Raises:
        HttpError: 400: not an array, or one with too many elements.
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
    """Decode a text, or an array of one text, to a list."""
    inner = split_list(part, 1) if part[:1] == b"[" else [msgspec.Raw(part)]
    return [msgspec.json.decode(one) for one in inner]


def split_list(text: bytes, most: int) -> list[msgspec.Raw]:
    """Split an array into its elements, without decoding them.

    Args:
        text: A JSON document.
        most: Maximum elements: each becomes an object, and there may be millions.

    Raises:
        ValueError: Not an array, or one with more elements; or a long one that contains texts and
            very many other values.
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
    """Return whether there may be too many elements to decode in one call."""
    commas = 0
    for start in range(0, len(text), _SHORT):
        commas += text.count(b",", start, start + _SHORT)
        if commas >= _MAX_ELEMENTS:
            return True
    return False


def _cuts(text: bytes, most: int) -> list[int]:
    """Find the commas between the elements of an array of numbers or arrays."""
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
    """Serialize a short value."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, which is escaped
        return json.dumps(value, allow_nan=False).encode()


def write_with_names(value: Any) -> bytes:
    """Serialize a value that contains file names, with unprintable characters escaped.

    Numbers must be finite.
    """
    return printable_json(write_json(value).decode()).encode()


def write_values(values: tensors.Floats | list[str]) -> Iterator[bytes]:
    """Serialize the values of a tensor as a flat array.

    Raises:
        HttpError: 422: a value is not finite, which JSON cannot represent.
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
