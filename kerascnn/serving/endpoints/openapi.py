"""The server's description of itself, as OpenAPI 3.1 has it.

Knows: paths, parameters and statuses. Does not know how they are handled, nor what goes in and out
(:mod:`.schemas`); a test holds the server to this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerascnn import __version__
from kerascnn.serving.endpoints.schemas import Json, object_of, reference, schemas

_MEANINGS = {
    400: "The request is not one that can be answered; the error says why.",
    401: "A wrong token, or none.",
    404: "No such model or version.",
    408: "The request did not come in in time.",
    403: "A page of another origin sent it.",
    413: "The body is too large.",
    415: "The body is compressed by a method that is not known.",
    421: "The server has no such name.",
    422: "Not a picture that can be read, or one with too many pixels.",
    503: "Too busy, or not ready; try again after Retry-After seconds.",
}


def describe(models: Sequence[str]) -> Json:
    """Describe the server."""
    name = _parameter("name", "path", {"type": "string", "enum": list(models)})
    pattern = "^([0-9a-f]{12}|[1-9][0-9]*)$"
    version = _parameter("version", "path", {"type": "string", "pattern": pattern})
    paths: Json = {
        "/v2": {"get": _get("Who answers", object_of(name="s", version="s", extensions="[s]"))},
        "/v2/health/live": {"get": _get("Whether the process answers", object_of(live="b"), ())},
        "/v2/health/ready": {"get": _ready()},
        "/v2/models": {"get": _get("All models' names", object_of(models="[s]"))},
        "/v1/models": {"get": _get("All models' cards", {"type": "object"}, (401, 503))},
        "/v1/models/{name}": {
            "get": _get("A model's card", reference("Card")),
            "parameters": [name],
        },
        "/v1/models/{name}/versions/{version}": {
            "get": _get("The card of a version", reference("Card")),
            "parameters": [name, version],
        },
        "/v1/models/{name}:predict": {"post": _predict_v1(), "parameters": [name]},
        "/v1/models/{name}/versions/{version}:predict": {
            "post": _predict_v1(),
            "parameters": [name, version],
        },
        "/v1/models/{name}/predict": {"post": _predict(), "parameters": [name]},
        "/v2/models/stats": {"get": _get("What all models did so far", {"type": "object"}, (401,))},
        "/v2/repository/index": {"post": _index()},
        "/metrics": {"get": _metrics()},
    }
    for base, parameters in (
        ("/v2/models/{name}", [name]),
        ("/v2/models/{name}/versions/{version}", [name, version]),
    ):
        paths |= {
            base: {"get": _get("What a model takes and gives", reference("Metadata"))},
            f"{base}/ready": {"get": _get("Whether it is warm", object_of(name="s", ready="b"))},
            f"{base}/config": {"get": _get("How it is run", {"type": "object"})},
            f"{base}/stats": {"get": _get("What it did so far", {"type": "object"})},
            f"{base}/infer": {"post": _infer()},
        }
        for path in (base, *(f"{base}/{end}" for end in ("ready", "config", "stats", "infer"))):
            paths[path]["parameters"] = parameters
    if len(models) == 1:
        paths["/predict"] = {"post": _predict((400, 401, 403, 408, 413, 415, 421, 422, 503))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kerascnn",
            "version": __version__,
            "description": "Pictures to classes: the Open Inference Protocol v2, TensorFlow "
            "Serving's v1, and a simple way.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _parameter(name: str, where: str, schema: Json, **more: Any) -> Json:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, **more}


def _content(schema: Json, kind: str = "application/json") -> Json:
    return {kind: {"schema": schema}}


def _errors(statuses: Sequence[int]) -> Json:
    return {
        str(status): {"description": _MEANINGS[status], "content": _content(reference("Error"))}
        for status in statuses
    }


def _get(summary: str, schema: Json, errors: Sequence[int] = (401, 404, 503)) -> Json:
    good = {"description": "The answer.", "content": _content(schema)}
    return {"summary": summary, "responses": {"200": good, **_errors(errors)}}


def _ready() -> Json:
    schema = object_of(ready="b")
    schema["properties"]["reason"] = {"type": "string", "description": "Why one cannot be loaded."}
    answer = _content(schema)
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


def _predict(errors: Sequence[int] = (400, 401, 403, 404, 408, 413, 415, 421, 422, 503)) -> Json:
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
                "content": _content({"oneOf": [reference("Prediction"), reference("Predictions")]}),
            },
            **_errors(errors),
        },
    }


def _index() -> Json:
    asked = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    row = object_of(name="s", version="s", state="s", reason="s")
    good = {"description": "The answer.", "content": _content({"type": "array", "items": row})}
    return {
        "summary": "All versions of all models, or those that are ready",
        "requestBody": {"required": False, "content": _content(asked)},
        "responses": {"200": good, **_errors((400, 401, 403, 408, 413, 415, 421, 503))},
    }


def _predict_v1() -> Json:
    good = {"description": "The answer.", "content": _content(reference("PredictAnswer"))}
    return {
        "summary": "Probabilities, by the protocol v1 of KServe and TensorFlow Serving",
        "requestBody": {"required": True, "content": _content(reference("PredictRequest"))},
        "responses": {
            "200": good,
            **_errors((400, 401, 403, 404, 408, 413, 415, 421, 422, 503)),
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
                "application/json": {"schema": reference("InferRequest")},
                "application/octet-stream": {"schema": binary},
            },
        },
        "responses": {
            "200": {
                "description": "The outputs asked for.",
                "content": {
                    "application/json": {"schema": reference("InferAnswer")},
                    "application/octet-stream": {"schema": binary},
                },
            },
            **_errors((400, 401, 403, 404, 408, 413, 415, 421, 422, 503)),
        },
    }
