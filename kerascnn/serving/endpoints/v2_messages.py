"""The Open Inference Protocol v2: inference requests.

Knows: their JSON, the binary extension, raw binary requests. Does not know HTTP except for one
header, or how pictures are classified. See
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerascnn.images import Shape, UInt8Array
from kerascnn.serving.endpoints import v2_tensors as tensors
from kerascnn.serving.endpoints.v2_json import read_json, read_texts, read_values
from kerascnn.serving.http.body import parse_length
from kerascnn.serving.http.errors import HttpError

INPUT = "image"
OUTPUTS = ("logits", "probabilities")

HEADER_LENGTH = b"inference-header-content-length"
"""Header with the length of the JSON before binary tensors; 0 if there is no JSON."""

_LONGEST_HEAD = 65_536
"""Bytes at the start of a body that are searched for signs of a missing header."""


@dataclass(frozen=True)
class RequestedOutput:
    """A requested output.

    Attributes:
        binary: Whether to send it in binary, else as JSON.
        count: Number of top classes to return (classification extension); None: all values.
    """

    name: str
    binary: bool
    count: int | None = None


_BINARY, _TEXT = (tuple(RequestedOutput(name, form) for name in OUTPUTS) for form in (True, False))
"""Outputs of a request that does not list any."""


@dataclass(frozen=True)
class InferRequest:
    """An inference request.

    Attributes:
        pictures: uint8 ``[n, height, width, 3]``, or the contents of files.
        requested: Requested outputs, in order.
        id: ID that the response repeats; None if the request has none.
        timeout: Time limit in seconds; None if the request sets none.
    """

    pictures: UInt8Array | list[bytes]
    requested: tuple[RequestedOutput, ...]
    id: str | None = None
    timeout: float | None = None


def read_request(
    body: bytes, header_length: str | None, classes: int, shape: Shape, most: int
) -> InferRequest:
    """Parse an inference request.

    Args:
        body: JSON, JSON and binary tensors, or only a binary tensor.
        header_length: Value of the header; None if it was not sent and the whole body is JSON.
        classes: Number of classes of the model.
        shape: Height and width of the model's input, in pixels, which is the size of pictures in
            a raw request.
        most: Maximum number of files.

    Raises:
        HttpError: 400: not a valid request for this model, and why.
    """
    length = _header_length(header_length, len(body))
    if header_length is not None and length == 0:
        return _raw(body, shape)
    try:
        fields = _json_object(body[:length])
    except HttpError as error:
        if header_length is None and b'"binary_data_size"' in body[:_LONGEST_HEAD]:
            # A proxy or a custom client dropped the header.
            raise HttpError(
                400,
                f"{error} Binary tensors seem to follow the JSON: the header "
                "Inference-Header-Content-Length must give its length.",
            ) from error
        raise
    return interpret(fields, memoryview(body)[length:], classes, most)


def interpret(fields: dict[str, Any], binary: memoryview, classes: int, most: int) -> InferRequest:
    """Interpret the fields of a request.

    Raises:
        HttpError: 400: not a valid request for this model, and why.
    """
    parameters = _object(fields, "parameters")
    return InferRequest(
        pictures=_pictures(fields, binary, most),
        requested=_requested_outputs(fields, parameters, classes),
        id=_id(fields),
        timeout=_timeout(parameters),
    )


def _header_length(text: str | None, body: int) -> int:
    if text is None:
        return body
    length = parse_length(text)
    if length is None or length > body:
        raise HttpError(
            400,
            f"Inference-Header-Content-Length is {text[:40]!r}; expected the length of the JSON at "
            f"the beginning of the body, which has {body:,} bytes.",
        )
    return length


def _raw(body: bytes, shape: Shape) -> InferRequest:
    height, width = shape
    each = height * width * 3
    count, rest = divmod(len(body), each)
    if rest or not count:
        raise HttpError(
            400,
            f"a raw request of {len(body):,} bytes; expected uint8 pictures of {height} x {width} "
            f"x 3 values, so a multiple of {each:,}.",
        )
    pictures = np.frombuffer(body, np.uint8).reshape(count, height, width, 3)
    return InferRequest(pictures, _BINARY)


def _json_object(text: bytes) -> dict[str, Any]:
    fields = read_json(text)
    if not isinstance(fields, dict):
        raise HttpError(400, f"the request is a JSON {type(fields).__name__}, expected an object.")
    return fields


def _object(fields: dict[str, Any], key: str) -> dict[str, Any]:
    value = fields.get(key)
    if value is None:  # some clients send null for unset fields
        return {}
    if not isinstance(value, dict):
        raise HttpError(400, f"{key!r} must be an object.")
    return value


def _objects(fields: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = fields.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise HttpError(400, f"{key!r} must be an array of objects.")
    return values


def _id(fields: dict[str, Any]) -> str | None:
    value = fields.get("id")
    if value is not None and not isinstance(value, str):
        raise HttpError(400, "'id' must be a string.")
    return value


def _timeout(parameters: dict[str, Any]) -> float | None:
    # Triton's schedule policy extension: microseconds; 0, its default, means no limit.
    value = parameters.get("timeout")
    if value is None or value == 0:
        return None
    if type(value) is not int or value < 0:  # bool is a subclass of int
        raise HttpError(400, "parameter 'timeout' must be a whole number of microseconds.")
    return value / 1e6 if value < 1 << 62 else None


def _pictures(fields: dict[str, Any], binary: memoryview, most: int) -> UInt8Array | list[bytes]:
    tensor = _input(fields)
    size = _object(tensor, "parameters").get("binary_data_size")
    if size is None:
        return _from_json(tensor, binary, most)
    if "data" in tensor:
        raise HttpError(400, f"input {INPUT!r} has both 'data' and 'binary_data_size'.")
    if type(size) is not int or size != len(binary):
        raise HttpError(
            400,
            f"input {INPUT!r} has binary_data_size {str(size)[:40]}, but {len(binary):,} bytes "
            "follow the JSON.",
        )
    if tensor["datatype"] == "BYTES":
        count = tensors.read_count(tensor.get("shape"), INPUT, most)
        return tensors.files_from_bytes(binary, count, INPUT)
    return tensors.from_bytes(binary, tensors.read_shape(tensor.get("shape"), INPUT), INPUT)


def _input(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the only tensor of a request, after checking its name and datatype."""
    inputs = _objects(fields, "inputs")
    names = [tensor.get("name") for tensor in inputs]
    if names != [INPUT]:
        raise HttpError(
            400, f"inputs {str(names)[:200]}; expected exactly one, with the name {INPUT!r}."
        )
    tensor = inputs[0]
    kind = tensor.get("datatype")
    if kind not in ("UINT8", "BYTES"):
        raise HttpError(
            400,
            f"input {INPUT!r} has datatype {str(kind)[:40]!r}; expected UINT8 for pixels, or "
            "BYTES for encoded files.",
        )
    if "shared_memory_region" in _object(tensor, "parameters"):
        raise HttpError(400, f"input {INPUT!r} is in shared memory; send the data itself.")
    return tensor


def _from_json(tensor: dict[str, Any], binary: memoryview, most: int) -> UInt8Array | list[bytes]:
    if len(binary):
        raise HttpError(400, f"{len(binary):,} bytes follow the JSON that belong to no input.")
    if "data" not in tensor:
        raise HttpError(
            400, f"input {INPUT!r} has neither 'data' nor the parameter 'binary_data_size'."
        )
    if tensor["datatype"] == "BYTES":
        count = tensors.read_count(tensor.get("shape"), INPUT, most)
        return tensors.files_from_json(read_texts(tensor["data"], count, INPUT), count, INPUT)
    shape = tensors.read_shape(tensor.get("shape"), INPUT)
    return read_values(tensor["data"], shape, INPUT)


def _requested_outputs(
    fields: dict[str, Any], parameters: dict[str, Any], classes: int
) -> tuple[RequestedOutput, ...]:
    default = _flag(parameters, "binary_data_output", False)
    asked = _objects(fields, "outputs")
    if not asked:
        return _BINARY if default else _TEXT
    _check_names([output.get("name") for output in asked])
    for output in asked:
        # If it were sent inline, the client would read stale shared memory.
        if "shared_memory_region" in _object(output, "parameters"):
            raise HttpError(
                400, f"output {output['name']!r} is requested in shared memory; not supported."
            )
    return tuple(
        _requested_output(output["name"], _object(output, "parameters"), default, classes)
        for output in asked
    )


def _check_names(names: list[Any]) -> None:
    for name in names:
        if name not in OUTPUTS or names.count(name) > 1:
            raise HttpError(
                400,
                f"output {str(name)[:80]!r} is unknown or requested twice; there are: "
                f"{', '.join(OUTPUTS)}.",
            )


def _requested_output(
    name: str, parameters: dict[str, Any], default: bool, classes: int
) -> RequestedOutput:
    count = parameters.get("classification")
    if count is not None:
        if type(count) is not int or count < 0:
            raise HttpError(
                400, f"output {name!r}: 'classification' must be a whole number above 0."
            )
        count = min(count, classes) or None  # 0 is tritonclient's default: no classification
    return RequestedOutput(name, _flag(parameters, "binary_data", default), count)


def _flag(parameters: dict[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise HttpError(400, f"parameter {name!r} must be true or false.")
    return value
