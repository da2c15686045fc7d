"""Metadata, configuration and statistics of models, in the formats of the v2 protocol and Triton.

Knows: the JSON of these responses, which gRPC's messages mirror field by field. Does not know HTTP.
"""

from __future__ import annotations

from typing import Any

from kerascnn import __version__
from kerascnn.serving.endpoints.v2_messages import INPUT, OUTPUTS
from kerascnn.serving.repository import ModelRepository
from kerascnn.serving.served_model import ServedModel

EXTENSIONS = (
    *("binary_tensor_data", "classification", "model_configuration", "model_repository"),
    "statistics",
)
"""Supported extensions of the v2 protocol, by Triton's names."""

Json = dict[str, Any]


def server_metadata() -> Json:
    """Return the server's metadata."""
    return {"name": "kerascnn", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(served: ServedModel, models: ModelRepository) -> Json:
    """Return a model's metadata: inputs and outputs."""
    outputs = [
        {"name": name, "datatype": "FP32", "shape": [-1, len(served.card.classes)]}
        for name in OUTPUTS
    ]
    return {
        "name": served.name,
        "versions": [one.version for one in reversed(models.versions(served.name))],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
        "outputs": outputs,
    }


def model_config(served: ServedModel) -> Json:
    """Return a model's configuration in Triton's form."""
    config = served.config
    outputs = [
        {"name": name, "data_type": "TYPE_FP32", "dims": [len(served.card.classes)]}
        for name in OUTPUTS
    ]
    pixels = {"data_type": "TYPE_UINT8", "format": "FORMAT_NHWC", "dims": [-1, -1, 3]}
    return {
        "name": served.name,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "max_batch_size": config.max_queue,
        "input": [{"name": INPUT, **pixels}],
        "output": outputs,
        "dynamic_batching": {
            "preferred_batch_size": [config.max_batch],
            "max_queue_delay_microseconds": round(config.max_wait_ms * 1000),
        },
    }


def statistics(
    models: ModelRepository, name: str | None = None, version: str | None = None
) -> Json:
    """Return statistics of models.

    Raises:
        HttpError: 404: no such model or version; 503: it is not loaded.
    """
    if name is None:
        found = [served for one in models.names for served in models.versions(one)]
    elif version is None:
        models.get(name)
        found = models.versions(name)
    else:
        found = [models.get(name, version)]
    return {"model_stats": [one.statistics.to_dict(one.name, one.version) for one in found]}
