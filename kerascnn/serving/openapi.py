"""The server's description of itself, as OpenAPI 3.1 has it.

Knows: paths, parameters, schemas and statuses. Does not know how they are handled; a test holds
the server to this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerascnn import __version__
from kerascnn.serving.protocol import OUTPUTS

Json = dict[str, Any]

_MEANINGS = {
    400: "The request is not one that can be answered; the error says why.",
    401: "A wrong token, or none.",
    404: "No such model or version.",
    408: "The request did not come in in time.",
    413: "The body is too large.",
    422: "Not a picture that can be read, or one with too many pixels.",
    503: "Too busy, or not ready; try again after Retry-After seconds.",
}


def describe(models: Sequence[str]) -> Json:
    """Describe the server.

    Args:
        models: Names of the models that are served.

    Returns:
        An OpenAPI document.
    """
    name = _parameter("name", "path", {"type": "string", "enum": list(models)})
    version = _parameter("version", "path", {"type": "string", "pattern": "^[0-9a-f]{12}$"})
    paths: Json = {
        "/v2": {"get": _get("Who answers", _object(name="s", version="s", extensions="[s]"))},
        "/v2/health/live": {"get": _get("Whether the process answers", _object(live="b"), ())},
        "/v2/health/ready": {"get": _ready()},
        "/v2/models": {"get": _get("All models' names", _object(models="[s]"))},
        "/v1/models": {"get": _get("All models' cards", {"type": "object"}, (401, 503))},
        "/v1/models/{name}": {"get": _get("A model's card", _ref("Card")), "parameters": [name]},
        "/v1/models/{name}/predict": {"post": _predict(), "parameters": [name]},
        "/metrics": {"get": _metrics()},
    }
    for base, parameters in (
        ("/v2/models/{name}", [name]),
        ("/v2/models/{name}/versions/{version}", [name, version]),
    ):
        paths |= {
            base: {"get": _get("What a model takes and gives", _ref("Metadata"))},
            f"{base}/ready": {"get": _get("Whether it is warm", _object(name="s", ready="b"))},
            f"{base}/config": {"get": _get("How it is run", {"type": "object"})},
            f"{base}/infer": {"post": _infer()},
        }
        for path in (base, f"{base}/ready", f"{base}/config", f"{base}/infer"):
            paths[path]["parameters"] = parameters
    if len(models) == 1:
        paths["/predict"] = {"post": _predict((400, 401, 408, 413, 422, 503))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kerascnn",
            "version": __version__,
            "description": "Pictures to classes: the Open Inference Protocol v2, and a simple way.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**kinds: str) -> Json:
    known: dict[str, Json] = {
        "s": {"type": "string"},
        "b": {"type": "boolean"},
        "[s]": {"type": "array", "items": {"type": "string"}},
    }
    properties = {name: known[kind] for name, kind in kinds.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _parameter(name: str, where: str, schema: Json, **more: Any) -> Json:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, **more}


def _content(schema: Json, kind: str = "application/json") -> Json:
    return {kind: {"schema": schema}}


def _errors(statuses: Sequence[int]) -> Json:
    return {
        str(status): {"description": _MEANINGS[status], "content": _content(_ref("Error"))}
        for status in statuses
    }


def _get(summary: str, schema: Json, errors: Sequence[int] = (401, 404, 503)) -> Json:
    good = {"description": "The answer.", "content": _content(schema)}
    return {"summary": summary, "responses": {"200": good, **_errors(errors)}}


def _ready() -> Json:
    answer = _content(_object(ready="b"))
    return {
        "summary": "Whether every model is warm",
        "responses": {
            "200": {"description": "Every model is warm.", "content": answer},
            "503": {"description": "Not yet, or no longer.", "content": answer},
        },
    }


def _metrics() -> Json:
    text = _content({"type": "string"}, "text/plain")
    return {
        "summary": "What Prometheus reads",
        "responses": {"200": {"description": "Metrics.", "content": text}, **_errors((401,))},
    }


def _predict(errors: Sequence[int] = (400, 401, 404, 408, 413, 422, 503)) -> Json:
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"picture": {"type": "array", "items": binary, "minItems": 1}},
        "required": ["picture"],
    }
    top_k = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5}
    floor = {"type": "number", "minimum": 0, "maximum": 1, "default": 0}
    return {
        "summary": "Classify a picture, or a form with some",
        "parameters": [
            _parameter("top_k", "query", top_k, description="Classes to list."),
            _parameter(
                "min_probability", "query", floor, description="A less likely answer has no label."
            ),
        ],
        "requestBody": {
            "required": True,
            "description": "JPEG, PNG, WebP, BMP, GIF or TIFF.",
            "content": {
                "application/octet-stream": {"schema": binary},
                "image/*": {"schema": binary},
                "multipart/form-data": {"schema": form},
            },
        },
        "responses": {
            "200": {
                "description": "A form gives `predictions`, in order; a body one answer.",
                "content": _content({"oneOf": [_ref("Prediction"), _ref("Predictions")]}),
            },
            **_errors(errors),
        },
    }


def _infer() -> Json:
    length = _parameter(
        "Inference-Header-Content-Length",
        "header",
        {"type": "string", "pattern": "^[0-9]+$"},
        description="Length of the JSON, where binary tensors follow it; 0: a raw tensor alone.",
    )
    binary = {"type": "string", "format": "binary"}
    return {
        "summary": "Inference, by the Open Inference Protocol v2",
        "parameters": [length],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _ref("InferRequest")},
                "application/octet-stream": {"schema": binary},
            },
        },
        "responses": {
            "200": {
                "description": "The outputs asked for.",
                "content": {
                    "application/json": {"schema": _ref("InferAnswer")},
                    "application/octet-stream": {"schema": binary},
                },
            },
            **_errors((400, 401, 404, 408, 413, 422, 503)),
        },
    }


def _schemas() -> Json:
    text: Json = {"type": "string"}
    probability: Json = {"type": "number", "minimum": 0, "maximum": 1}
    ranked = {
        "type": "object",
        "properties": {"label": text, "probability": probability},
        "required": ["label", "probability"],
    }
    answer = {
        "type": "object",
        "properties": {
            "path": {"type": ["string", "null"], "description": "The file's name, if it was sent."},
            "label": {"type": ["string", "null"]},
            "probability": probability,
            "top": {"type": "array", "items": ranked, "minItems": 1},
        },
        "required": ["path", "label", "probability", "top"],
    }
    unread = {
        "type": "object",
        "properties": {"path": {"type": ["string", "null"]}, "error": text},
        "required": ["path", "error"],
    }
    many: Json = {"type": "array", "items": {"anyOf": [answer, unread]}, "minItems": 1}
    return {
        "Error": {"type": "object", "properties": {"error": text}, "required": ["error"]},
        "Prediction": answer,
        "Predictions": {
            "type": "object",
            "properties": {"predictions": many},
            "required": ["predictions"],
        },
        "Card": _object(name="s", version="s", provider="s"),
        "Metadata": _metadata(),
        "InferRequest": _infer_request(),
        "InferAnswer": _infer_answer(),
    }


def _metadata() -> Json:
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["name", "datatype", "shape"],
    }
    metadata = _object(name="s", versions="[s]", platform="s")
    metadata["properties"] |= {
        end: {"type": "array", "items": tensor} for end in ("inputs", "outputs")
    }
    metadata["required"] += ["inputs", "outputs"]
    return metadata


def _infer_request() -> Json:
    positive = {"type": "integer", "minimum": 1}
    pixel = {"type": "integer", "minimum": 0, "maximum": 255}
    picture = {
        "type": "object",
        "properties": {
            "name": {"const": "image"},
            "datatype": {"const": "UINT8"},
            "shape": {
                "type": "array",
                "prefixItems": [positive, positive, positive, {"const": 3}],
                "minItems": 4,
                "maxItems": 4,
            },
            "data": {"type": "array", "items": pixel, "description": "Row-major; may be nested."},
            "parameters": {"type": "object"},
        },
        "required": ["name", "datatype", "shape"],
    }
    output = {
        "type": "object",
        "properties": {"name": {"enum": list(OUTPUTS)}, "parameters": {"type": "object"}},
        "required": ["name"],
    }
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": picture, "minItems": 1, "maxItems": 1},
            "outputs": {"type": "array", "items": output},
            "parameters": {"type": "object"},
        },
        "required": ["inputs"],
    }


def _infer_answer() -> Json:
    output = {
        "type": "object",
        "properties": {
            "name": {"enum": list(OUTPUTS)},
            "datatype": {"enum": ["FP32", "BYTES"]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
        },
        "required": ["name", "datatype", "shape"],
    }
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "outputs": {"type": "array", "items": output},
        },
        "required": ["model_name", "model_version", "outputs"],
    }
