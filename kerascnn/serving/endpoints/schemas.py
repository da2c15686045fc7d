"""JSON Schemas of requests and responses, for the OpenAPI description.

Knows: predictions, and the tensors of the Open Inference Protocol v2. Does not know paths or
statuses (:mod:`.openapi`).
"""

from __future__ import annotations

from typing import Any

from kerascnn.serving.endpoints.v2_messages import INPUT, OUTPUTS

Json = dict[str, Any]


_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_BOOLEAN: Json = {"type": "boolean"}
_ANY: Json = {"type": "object"}
_PROBABILITY: Json = {"type": "number", "minimum": 0, "maximum": 1}
_POSITIVE: Json = {"type": "integer", "minimum": 1}

_FILE: Json = {
    "type": "string",
    "contentEncoding": "base64",
    "description": "A picture's file: JPEG, PNG, WebP, BMP, GIF or TIFF.",
}


def reference(name: str) -> Json:
    """Return a reference to a schema of :func:`schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(**kinds: str) -> Json:
    """Describe an object of required fields: ``s``: string, ``b``: boolean, ``[s]``: strings."""
    known = {"s": _TEXT, "b": _BOOLEAN, "[s]": _list_of(_TEXT)}
    return _object({name: known[kind] for name, kind in kinds.items()})


def schemas() -> Json:
    """Return all named schemas."""
    return {
        "Error": object_of(error="s"),
        **_predictions(),
        "Card": object_of(name="s", ready="b", version="s", provider="s"),
        "PredictRequest": _predict_request(),
        "PredictAnswer": _predict_answer(),
        "Metadata": _metadata(),
        "InferRequest": _infer_request(),
        "InferAnswer": _infer_answer(),
    }


def _object(required: Json, **optional: Json) -> Json:
    return {"type": "object", "properties": required | optional, "required": list(required)}


def _list_of(items: Json, **limits: Any) -> Json:
    return {"type": "array", "items": items, **limits}


def _predictions() -> Json:
    path = {**_TEXT_OR_NULL, "description": "The file's name, if it was sent."}
    ranked = _list_of(_object({"label": _TEXT, "probability": _PROBABILITY}), minItems=1)
    answer = _object(
        {"path": path, "label": _TEXT_OR_NULL, "probability": _PROBABILITY, "top": ranked}
    )
    unread = _object({"path": _TEXT_OR_NULL, "error": _TEXT})
    many = _list_of({"anyOf": [answer, unread]}, minItems=1)
    return {"Prediction": answer, "Predictions": _object({"predictions": many})}


def _metadata() -> Json:
    shape = _list_of({"type": "integer"})
    tensors = _list_of(_object({"name": _TEXT, "datatype": _TEXT, "shape": shape}))
    return _object(
        {
            "name": _TEXT,
            "versions": _list_of(_TEXT),
            "platform": _TEXT,
            "inputs": tensors,
            "outputs": tensors,
        }
    )


def _infer_request() -> Json:
    inputs = _list_of({"anyOf": [_pixels_input(), _files_input()]}, minItems=1, maxItems=1)
    output = _object({"name": {"enum": list(OUTPUTS)}}, parameters=_ANY)
    return _object({"inputs": inputs}, id=_TEXT, outputs=_list_of(output), parameters=_ANY)


def _pixels_input() -> Json:
    pixel = {"type": "integer", "minimum": 0, "maximum": 255}
    shape = {
        "type": "array",
        "prefixItems": [_POSITIVE, _POSITIVE, _POSITIVE, {"const": 3}],
        "minItems": 4,
        "maxItems": 4,
    }
    return _object(
        {"name": {"const": INPUT}, "datatype": {"const": "UINT8"}, "shape": shape},
        data=_list_of(pixel, description="Row-major; may be nested."),
        parameters=_ANY,
    )


def _files_input() -> Json:
    shape = _list_of(_POSITIVE, minItems=1, maxItems=1)
    return _object(
        {"name": {"const": INPUT}, "datatype": {"const": "BYTES"}, "shape": shape},
        data=_list_of(_FILE),
        parameters=_ANY,
    )


def _infer_answer() -> Json:
    output = _object(
        {
            "name": {"enum": list(OUTPUTS)},
            "datatype": {"enum": ["FP32", "BYTES"]},
            "shape": _list_of({"type": "integer"}),
        },
        data={"type": "array"},
    )
    return _object(
        {"model_name": _TEXT, "model_version": _TEXT, "outputs": _list_of(output)}, id=_TEXT
    )


def _predict_request() -> Json:
    level: Json = {"type": "number", "minimum": 0, "maximum": 255, "multipleOf": 1}
    channels = _list_of(level, minItems=1, maxItems=3)
    row = _list_of({"anyOf": [channels, level]})
    pixels = _list_of(row, description="[height][width][3], or [height][width] for gray.")
    file = {
        "type": "object",
        "properties": {"b64": _FILE},
        "minProperties": 1,
        "description": "An image file as `b64`; or this object, or pixels, under the input's name.",
    }
    pictures = _list_of({"anyOf": [file, pixels, _FILE]}, minItems=1)
    return {
        "type": "object",
        "properties": {"instances": pictures, "inputs": {"anyOf": [pictures, _ANY]}},
        "anyOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    }


def _predict_answer() -> Json:
    rows = _list_of(_list_of(_PROBABILITY))
    return {
        "type": "object",
        "properties": {"predictions": rows, "outputs": rows},
        "minProperties": 1,
    }
