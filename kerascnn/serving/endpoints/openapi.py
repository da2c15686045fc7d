"""The OpenAPI 3.1 description of the server.

Knows: paths, parameters and statuses. Does not know how requests are handled, or the schemas of
bodies (:mod:`.schemas`); a test checks the server against this description.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerascnn import __version__
from kerascnn.serving.endpoints.schemas import Json, object_of, reference, schemas

_MEANINGS = {
    400: "The request is invalid; the error says why.",
    401: "The bearer token is wrong or missing.",
    404: "No such model or version.",
    408: "The request was not received in time.",
    403: "A web page of another origin sent the request.",
    413: "The body is too large.",
    415: "The compression of the body is not supported.",
    421: "The Host header is not a name of this server.",
    422: "Not a picture that can be read, or one with too many pixels.",
    503: "Too busy, or not ready; try again after Retry-After seconds.",
}


_BINARY: Json = {"type": "string", "format": "binary"}

_POSTED = (400, 401, 403, 408, 413, 415, 421, 503)
"""Statuses with which any POST request may be refused."""

_CLASSIFIED = (*_POSTED, 404, 422)
"""Statuses with which a request to classify pictures may be refused."""


def describe(models: Sequence[str]) -> Json:
    """Return the OpenAPI document of the server."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kerascnn",
            "version": __version__,
            "description": "Image classification: the Open Inference Protocol v2, TensorFlow "
            "Serving's v1 protocol, and a simple endpoint for image files.",
        },
        "paths": _server_paths(models) | _model_paths(models),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _server_paths(models: Sequence[str]) -> Json:
    paths: Json = {
        "/v2": {"get": _get("Server metadata", object_of(name="s", version="s", extensions="[s]"))},
        "/v2/health/live": {"get": _get("Liveness", object_of(live="b"), ())},
        "/v2/health/ready": {"get": _ready()},
        "/v2/models": {"get": _get("Names of all models", object_of(models="[s]"))},
        "/v2/models/stats": {"get": _get("Statistics of all models", {"type": "object"}, (401,))},
        "/v2/repository/index": {"post": _index()},
        "/v1/models": {"get": _get("Cards of all models", {"type": "object"}, (401, 503))},
        "/metrics": {"get": _metrics()},
    }
    if len(models) == 1:
        paths["/predict"] = {"post": _predict((*_POSTED, 422))}
    return paths


def _model_paths(models: Sequence[str]) -> Json:
    """Describe the paths of a model, and those of one version of it."""
    name = _parameter("name", "path", {"type": "string", "enum": list(models)})
    pattern = "^([0-9a-f]{12}|[1-9][0-9]*)$"
    version = _parameter("version", "path", {"type": "string", "pattern": pattern})
    of_version = "/{name}/versions/{version}"
    paths: Json = {"/v1/models/{name}/predict": {"post": _predict(), "parameters": [name]}}
    for end, parameters in (("/{name}", [name]), (of_version, [name, version])):
        v1, v2 = f"/v1/models{end}", f"/v2/models{end}"
        found = {
            v1: {"get": _get("Status and card of a model", reference("Card"))},
            f"{v1}:predict": {"post": _predict_v1()},
            v2: {"get": _get("Inputs and outputs of a model", reference("Metadata"))},
            f"{v2}/ready": {"get": _get("Readiness of a model", object_of(name="s", ready="b"))},
            f"{v2}/config": {"get": _get("Configuration of a model", {"type": "object"})},
            f"{v2}/stats": {"get": _get("Statistics of a model", {"type": "object"})},
            f"{v2}/infer": {"post": _infer()},
        }
        paths |= {path: {**what, "parameters": parameters} for path, what in found.items()}
    return paths


def _parameter(name: str, where: str, schema: Json, **more: Any) -> Json:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, **more}


def _content(schema: Json, kind: str = "application/json") -> Json:
    return {kind: {"schema": schema}}


def _errors(statuses: Sequence[int]) -> Json:
    return {
        str(status): _answer(_content(reference("Error")), _MEANINGS[status])
        for status in sorted(statuses)
    }


def _answer(content: Json, description: str = "Success.") -> Json:
    return {"description": description, "content": content}


def _get(summary: str, schema: Json, errors: Sequence[int] = (401, 404, 503)) -> Json:
    return {"summary": summary, "responses": {"200": _answer(_content(schema)), **_errors(errors)}}


def _post(
    summary: str, body: Json, answer: Json, errors: Sequence[int] = _CLASSIFIED, **more: Any
) -> Json:
    return {
        "summary": summary,
        "requestBody": {"required": True, **body},
        "responses": {"200": answer, **_errors(errors)},
        **more,
    }


def _ready() -> Json:
    schema = object_of(ready="b")
    schema["properties"]["reason"] = {
        "type": "string",
        "description": "Why a model cannot be loaded.",
    }
    return {
        "summary": "Readiness: whether every model is loaded and warmed up",
        "responses": {
            "200": _answer(_content(schema), "Ready."),
            "503": _answer(_content(schema), "Not ready."),
        },
    }


def _metrics() -> Json:
    text = _answer(_content({"type": "string"}, "text/plain"), "Metrics.")
    return {"summary": "Metrics for Prometheus", "responses": {"200": text, **_errors((401,))}}


def _predict(errors: Sequence[int] = _CLASSIFIED) -> Json:
    top_k = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5}
    floor = {"type": "number", "minimum": 0, "maximum": 1, "default": 0}
    below = "Below this probability, no label is given."
    either = {"oneOf": [reference("Prediction"), reference("Predictions")]}
    return _post(
        "Classify an image file, or several in a form",
        _picture_body(),
        _answer(
            _content(either), "One object; for a form, `predictions` with one per file, in order."
        ),
        errors,
        parameters=[
            _parameter("top_k", "query", top_k, description="Classes to list."),
            _parameter("min_probability", "query", floor, description=below),
        ],
    )


def _picture_body() -> Json:
    form = {
        "type": "object",
        "properties": {"picture": {"type": "array", "items": _BINARY, "minItems": 1}},
        "required": ["picture"],
    }
    kinds = {"application/octet-stream": _BINARY, "image/*": _BINARY, "multipart/form-data": form}
    return {
        "description": "JPEG, PNG, WebP, BMP, GIF or TIFF.",
        "content": {kind: {"schema": schema} for kind, schema in kinds.items()},
    }


def _index() -> Json:
    asked = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    row = object_of(name="s", version="s", state="s", reason="s")
    return _post(
        "All versions of all models, or those that are ready",
        {"required": False, "content": _content(asked)},
        _answer(_content({"type": "array", "items": row})),
        _POSTED,
    )


def _predict_v1() -> Json:
    return _post(
        "Probabilities, in the v1 protocol of TensorFlow Serving and KServe",
        {"content": _content(reference("PredictRequest"))},
        _answer(_content(reference("PredictAnswer"))),
    )


def _infer() -> Json:
    length = _parameter(
        "Inference-Header-Content-Length",
        "header",
        {"type": "string", "pattern": "^[0-9]+$"},
        description="Length of the JSON if binary tensors follow it; 0: the body is a raw tensor.",
    )
    binary = _content(_BINARY, "application/octet-stream")
    return _post(
        "Inference, in the Open Inference Protocol v2",
        {"content": _content(reference("InferRequest")) | binary},
        _answer(_content(reference("InferAnswer")) | binary, "The requested outputs."),
        parameters=[length],
    )
