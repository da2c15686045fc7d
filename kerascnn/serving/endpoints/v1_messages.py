"""The v1 protocol of KServe and TensorFlow Serving: predict requests and responses.

Knows: ``instances`` and ``inputs``, numbers and files in base64. Does not know HTTP, or how
pictures are classified. See https://www.tensorflow.org/tfx/serving/api_rest and
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from kerascnn.images import UInt8Array
from kerascnn.images.limits import MAX_SIDE
from kerascnn.serving.endpoints.v2_tensors import Floats
from kerascnn.serving.http.base64_files import read_base64
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.incremental_json import not_json, split_list, write_values

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_PIXELS = msgspec.json.Decoder(list[list[float]])
_GRAYS = msgspec.json.Decoder(list[float])

_EXPECTED = 'numbers, as [[[R, G, B], …], …], or {"b64": "…"}, a picture\'s file in base64'


class _Request(msgspec.Struct):
    """A request; other fields are ignored."""

    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_REQUESTS = msgspec.json.Decoder(_Request)


@dataclass(frozen=True)
class PredictRequest:
    """A predict request.

    Attributes:
        pictures: Contents of files, or uint8 ``[height, width, 3]``; at least one.
        by_row: Whether they were sent as ``instances``, so that the response has ``predictions``;
            else as ``inputs``, and it has ``outputs``.
    """

    pictures: list[bytes | UInt8Array]
    by_row: bool


def read_request(body: bytes, most: int) -> PredictRequest:
    """Parse a predict request.

    Raises:
        HttpError: 400: not a valid request, and why.
    """
    try:
        request = _REQUESTS.decode(body)
        by_row = request.instances is not msgspec.UNSET
        if by_row and request.inputs is not msgspec.UNSET:
            raise HttpError(400, "the request has 'instances' and 'inputs'; expected one of them.")
        name = "instances" if by_row else "inputs"
        given = request.instances if by_row else request.inputs
        if given is msgspec.UNSET:
            raise HttpError(400, f"the request has no 'instances'; expected a list of {_EXPECTED}.")
        rows = _rows(bytes(given), name, most)
        pictures = [_picture(bytes(row), f"{name}[{number}]") for number, row in enumerate(rows)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what = "the request is not JSON that this endpoint understands"
        raise not_json(body, what, error) from error
    if not pictures:
        raise HttpError(400, f"{name!r} is empty; expected at least one picture.")
    return PredictRequest(pictures, by_row)


def write_answer(request: PredictRequest, probabilities: Floats) -> bytes:
    """Serialize the response: the probabilities ``[n, classes]``, a row for each picture."""
    name = b"predictions" if request.by_row else b"outputs"
    rows = b", ".join(b"".join(write_values(row)) for row in probabilities)
    return b'{"%s": [%s]}' % (name, rows)


def _rows(text: bytes, name: str, most: int) -> list[msgspec.Raw]:
    """Split the sent value into pictures; ``inputs`` may be an object with the tensor's name.

    A tensor with one file need not be a list.
    """
    if text[:1] == b"{" and name == "inputs":
        fields = _OBJECT.decode(text)
        if "b64" not in fields:
            text = bytes(next(iter(fields.values()))) if len(fields) == 1 else b""
        if text[:1] == b"{":
            text = b"[%s]" % text
    if text[:1] != b"[":
        raise HttpError(400, f"{name!r} is not a list; expected a list of {_EXPECTED}.")
    try:
        return split_list(text, most)
    except (msgspec.DecodeError, ValueError) as error:
        raise HttpError(
            400, f"{name!r} is not a list of at most {most:,} pictures ({error})."
        ) from error


def _picture(text: bytes, what: str) -> bytes | UInt8Array:
    """Parse a picture: a list of numbers, an object with the file, or an object around either."""
    start = text[:1]
    if start == b"[":
        return _from_numbers(text, what)
    if start == b'"':
        return read_base64(_TEXT.decode(text), what)
    if start == b"{":
        fields = _OBJECT.decode(text)
        if "b64" in fields:
            return read_base64(msgspec.json.decode(fields["b64"]), f"{what}['b64']")
        fields.pop("key", None)  # some clients send one, to match responses
        if len(fields) == 1:
            [(name, inner)] = fields.items()
            inner_text = bytes(inner)
            if inner_text[:1] in (b"{", b"[", b'"'):
                return _inner(inner_text, f"{what}[{name[:40]!r}]")
    raise HttpError(400, f"{what} is not a picture; expected {_EXPECTED}.")


def _inner(text: bytes, what: str) -> bytes | UInt8Array:
    """Parse a picture inside an object with the input's name, without further nesting."""
    if text[:1] == b"{" and "b64" not in _OBJECT.decode(text):
        raise HttpError(400, f"{what} is not a picture; expected {_EXPECTED}.")
    return _picture(text, what)


def _from_numbers(text: bytes, what: str) -> UInt8Array:
    """Parse pixels row by row, so that no single call holds the interpreter lock for long."""
    try:
        rows = list(_pixel_rows(text))
        picture = np.stack(rows) if rows else np.empty((0, 0, 0), np.uint8)
    except (msgspec.ValidationError, ValueError) as error:
        raise HttpError(
            400,
            f"{what} is not a picture ({str(error)[:100]}); expected whole numbers from 0 to 255, "
            "because the model file normalizes them itself, in lists [height][width][3] or "
            "[height][width].",
        ) from error
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if 0 in picture.shape or picture.shape[2] not in (1, 3):
        raise HttpError(
            400, f"{what} has shape {list(picture.shape)}; expected [height, width, 3]."
        )
    return picture if picture.shape[2] == 3 else picture.repeat(3, axis=2)


def _pixel_rows(text: bytes) -> Iterator[UInt8Array]:
    for part in split_list(text, MAX_SIDE):
        row = bytes(part)
        if row.count(b",") > 3 * MAX_SIDE:
            raise ValueError(f"more than {MAX_SIDE:,} pixels in a row")
        decoder: msgspec.json.Decoder[Any] = _PIXELS if b"[" in row[1:64] else _GRAYS
        values = np.asarray(decoder.decode(row), np.float64)
        if not ((values >= 0) & (values <= 255) & (values == np.rint(values))).all():
            raise ValueError("other values")
        yield values.astype(np.uint8)
