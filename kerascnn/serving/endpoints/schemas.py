"""What goes in and out of the server, as JSON Schema for its description.

Knows: pictures' answers and the tensors of the Open Inference Protocol v2. Does not know paths nor
statuses (:mod:`.openapi`).
"""

from __future__ import annotations

from typing import Any

from kerascnn.serving.endpoints.v2_messages import OUTPUTS

Json = dict[str, Any]


def reference(name: str) -> Json:
    """Refer to a schema of :func:`schemas` by name."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(**kinds: str) -> Json:
    """Describe an object.

    Args:
        kinds: Of its fields, by name: ``s``: a string, ``b``: a truth value, ``[s]``: strings.

    Returns:
        The schema; every field must be there.
    """
    known: dict[str, Json] = {
        "s": {"type": "string"},
        "b": {"type": "boolean"},
        "[s]": {"type": "array", "items": {"type": "string"}},
    }
    properties = {name: known[kind] for name, kind in kinds.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


def schemas() -> Json:
    """Describe all that has a name.

    Returns:
        JSON schemas by name.
    """
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
        "Card": object_of(name="s", ready="b", version="s", provider="s"),
        "PredictRequest": _predict_request(),
        "PredictAnswer": _predict_answer(),
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
    metadata = object_of(name="s", versions="[s]", platform="s")
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
    files = {
        "type": "object",
        "properties": {
            "name": {"const": "image"},
            "datatype": {"const": "BYTES"},
            "shape": {"type": "array", "items": positive, "minItems": 1, "maxItems": 1},
            "data": {"type": "array", "items": _base64()},
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
            "inputs": {
                "type": "array",
                "items": {"anyOf": [picture, files]},
                "minItems": 1,
                "maxItems": 1,
            },
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


def _base64() -> Json:
    return {
        "type": "string",
        "contentEncoding": "base64",
        "description": "A picture's file: JPEG, PNG, WebP, BMP, GIF or TIFF.",
    }


def _predict_request() -> Json:
    level: Json = {"type": "number", "minimum": 0, "maximum": 255, "multipleOf": 1}
    channels = {"type": "array", "items": level, "minItems": 1, "maxItems": 3}
    row = {"type": "array", "items": {"anyOf": [channels, level]}}
    pixels = {"type": "array", "items": row, "description": "[height][width][3], or grey."}
    file = {
        "type": "object",
        "properties": {"b64": _base64()},
        "minProperties": 1,
        "description": "A file as `b64`, or such an object or pixels under the input's name.",
    }
    pictures = {"type": "array", "items": {"anyOf": [file, pixels, _base64()]}, "minItems": 1}
    return {
        "type": "object",
        "properties": {"instances": pictures, "inputs": {"anyOf": [pictures, {"type": "object"}]}},
        "anyOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    }


def _predict_answer() -> Json:
    row = {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}}
    return {
        "type": "object",
        "properties": {key: {"type": "array", "items": row} for key in ("predictions", "outputs")},
        "minProperties": 1,
    }
