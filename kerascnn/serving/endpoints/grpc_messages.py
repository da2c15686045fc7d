"""Converts messages of the Open Inference Protocol v2 between gRPC and the JSON of HTTP.

Knows: protobuf, and that the messages mirror the JSON field by field. Does not know the network or
the meaning of a request. ``scripts/make_grpc`` creates the descriptor.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

import numpy as np
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from kerascnn.inference.model_file.protobuf import Span, fields
from kerascnn.serving.endpoints.v2_tensors import to_bytes
from kerascnn.serving.http.errors import HttpError

_PIECE = 32_768
"""Values to convert at a time, so that no single call holds the interpreter lock for long."""

_ID, _RAW, _FEW = 3, 7, 32
"""Field numbers of ``id`` and ``raw_input_contents``, and maximum number of fields to look at."""

_MAX_ITEMS = 1024
"""Maximum inputs, outputs, parameters or dimensions of a request, which could contain millions."""

_MOST_FILES = 65_536
"""Maximum files of a tensor: each becomes an object before the server's own limit applies."""

_MOST_BYTES = 65_536
"""Maximum size in bytes of a request that is not for inference, which has at most two names."""


@cache
def message_class(name: str) -> Any:
    """Return the class of a message, e.g. ``ModelInferRequest``."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


def read_short(name: str, content: bytes) -> Any:
    """Parse a message that is not for inference, on the event loop.

    Raises:
        HttpError: 400: not a valid message; 413: too long.
    """
    if len(content) > _MOST_BYTES:
        raise HttpError(
            413, f"a {name} of {len(content):,} bytes; expected at most {_MOST_BYTES:,}."
        )
    return read_message(name, content)


def read_message(name: str, content: bytes) -> Any:
    """Parse a message.

    Raises:
        HttpError: 400: not a valid message.
    """
    try:
        return message_class(name).FromString(content)
    except DecodeError as error:
        raise HttpError(400, f"the request is not a valid {name} ({error}).") from error


def write_message(name: str, fields: dict[str, Any]) -> bytes:
    """Serialize a message."""
    return bytes(json_format.ParseDict(fields, message_class(name)()).SerializeToString())


def read_infer(content: bytes) -> tuple[str, str, dict[str, Any], bytes]:
    """Parse an inference request.

    Returns:
        Name and version of the model, the fields of the equivalent JSON, and a binary tensor.

    Raises:
        HttpError: 400: not an inference request.
    """
    request = read_message("ModelInferRequest", content)
    return request.model_name, request.model_version, *fields_of(request)


def size_to_parse(content: bytes) -> int:
    """Return the size of a ``ModelInferRequest`` without its raw tensors, in bytes."""
    raw = 0
    with suppress(ValueError, IndexError):  # malformed: parsing it will fail
        for number, span in islice(fields(io.BytesIO(content), Span(0, len(content))), _FEW):
            raw += span.size * (number == _RAW)
    return len(content) - raw


def id_of(content: bytes) -> str:
    """Return the ID of a ``ModelInferRequest``; empty if it has none or is malformed."""
    file = io.BytesIO(content)
    with suppress(ValueError, IndexError):
        for number, span in islice(fields(file, Span(0, len(content))), _FEW):
            if number == _ID and span.size <= _PIECE:
                return span.read(file).decode()
    return ""


def fields_of(request: Any) -> tuple[dict[str, Any], bytes]:
    """Convert an inference request to the equivalent of HTTP: fields of the JSON and a tensor.

    Raises:
        HttpError: 400: its contents do not match its inputs.
    """
    _check_counts(request)
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise HttpError(400, f"{len(raw)} raw contents for {len(request.inputs)} inputs.")
    inputs, binary = [], b""
    for number, tensor in enumerate(request.inputs):
        if raw and tensor.HasField("contents"):
            raise HttpError(400, f"input {tensor.name[:80]!r} has both contents and raw contents.")
        # Requests with several inputs are refused later.
        binary = raw[number] if raw else b"".join(_contents(tensor))
        inputs.append(_input(tensor, len(binary)))
    outputs = [
        {"name": output.name, "parameters": _parameters(output.parameters)}
        for output in request.outputs
    ]
    parameters = {**_parameters(request.parameters), "binary_data_output": True}
    asked = {"inputs": inputs, "outputs": outputs, "parameters": parameters}
    return (asked | {"id": request.id} if request.id else asked), binary


def _input(tensor: Any, size: int) -> dict[str, Any]:
    parameters = {**_parameters(tensor.parameters), "binary_data_size": size}
    described = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    return {**described, "parameters": parameters}


def _check_counts(request: Any) -> None:
    tensors = [request.inputs, request.outputs, request.raw_input_contents, request.parameters]
    if all(len(one) <= _MAX_ITEMS for one in tensors):
        for tensor in request.inputs:
            if len(tensor.contents.bytes_contents) > _MOST_FILES:
                raise HttpError(
                    400, f"input {tensor.name[:80]!r} has more than {_MOST_FILES:,} files."
                )
            tensors += [tensor.shape, tensor.parameters]
        tensors += [output.parameters for output in request.outputs]
    if any(len(one) > _MAX_ITEMS for one in tensors):
        raise HttpError(
            400, f"the request has more than {_MAX_ITEMS:,} inputs, outputs, parameters or sizes."
        )


def infer_response(
    model: str, version: str, request: str | None, outputs: list[tuple[dict[str, Any], Any]]
) -> Any:
    """Create the response; each output is a pair of name, datatype and shape, and the data."""
    head = {
        "model_name": model,
        "model_version": version,
        "id": request or "",
        "outputs": [output for output, _ in outputs],
    }
    response: Any = json_format.ParseDict(head, message_class("ModelInferResponse")())
    response.raw_output_contents.extend(to_bytes(data) for _, data in outputs)
    return response


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    # Separate, because tritonclient's messages have the same names in the default pool.
    pool = descriptor_pool.DescriptorPool()
    content = files(__package__).joinpath("open_inference.binpb").read_bytes()
    [file] = FileDescriptorSet.FromString(content).file
    pool.Add(file)
    return pool


def _parameters(values: Any) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        kind = value.WhichOneof("parameter_choice")
        found[name] = getattr(value, kind) if kind else None
    return found


def _contents(tensor: Any) -> Iterator[bytes]:
    """Convert typed contents to bytes: one per pixel value, or files prefixed with their length."""
    if tensor.datatype == "BYTES":
        for content in tensor.contents.bytes_contents:
            yield len(content).to_bytes(4, "little") + content
        return
    values = tensor.contents.uint_contents
    for start in range(0, len(values), _PIECE):
        piece = np.asarray(values[start : start + _PIECE], np.uint32)
        if piece.max() > 255:
            raise HttpError(400, f"input {tensor.name[:80]!r} has values above 255.")
        yield piece.astype(np.uint8).tobytes()
