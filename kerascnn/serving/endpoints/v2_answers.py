"""The Open Inference Protocol v2: inference responses.

Knows: their JSON and the binary extension. Does not know how pictures are classified, or how
requests are parsed (:mod:`kerascnn.serving.endpoints.v2_messages`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kerascnn.serving.endpoints import v2_tensors as tensors
from kerascnn.serving.endpoints.v2_messages import InferRequest
from kerascnn.serving.http.incremental_json import write_json, write_values


def write_answer(
    request: InferRequest,
    model: str,
    version: str,
    classes: tuple[str, ...],
    values: dict[str, tensors.Floats],
) -> tuple[bytes, int | None]:
    """Serialize an inference response.

    Returns:
        The body, and the length of its JSON if binary data follows, else None.
    """
    outputs: list[dict[str, Any]] = []
    chunks: list[bytes] = []
    for requested, (output, data) in zip(
        request.requested, outputs_of(request, classes, values), strict=True
    ):
        if requested.binary:
            chunks.append(tensors.to_bytes(data))
            output["parameters"] = {"binary_data_size": len(chunks[-1])}
        else:
            output["data"] = msgspec.Raw(b"".join(write_values(data)))
        outputs.append(output)
    answer: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id is not None:
        answer["id"] = request.id
    head = write_json(answer).removesuffix(b"}")
    text = b"".join((head, b', "outputs": ', msgspec.json.encode(outputs), b"}"))
    return b"".join([text, *chunks]), len(text) if chunks else None


def outputs_of(
    request: InferRequest, classes: tuple[str, ...], values: dict[str, tensors.Floats]
) -> Iterator[tuple[dict[str, Any], tensors.Floats | list[str]]]:
    """Yield name, datatype and shape of each requested output, and its data."""
    for requested in request.requested:
        found = values[requested.name]
        output = {
            "name": requested.name,
            "datatype": "FP32" if requested.count is None else "BYTES",
            "shape": [len(found), requested.count or found.shape[1]],
        }
        if requested.count is None:
            yield output, found
        else:
            yield output, tensors.classified(found, requested.count, classes)
