"""What Keras 2 wrote and Keras 3 does not read, written as Keras 3 would.

Knows: arguments that have gone, and the TensorFlow functions that Keras 2 kept as layers when
they were called on its tensors, as its `preprocess_input` does. Does not know files.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from kerascnn.errors import ModelFileError

OPERATION_CLASSES = ("TFOpLambda", "SlicingOpLambda")
"""Despite the name they hold no code: the name of a function of TensorFlow, and its arguments."""

_GONE = {"groups": 1, "rng_type": None, "ragged": False, "optional": False,
         "batch_input_shape": None}  # fmt: skip
"""Arguments that this Keras may not take, each with the value that makes it idle; None: any."""


_MODELS = ("Functional", "Model", "Sequential")


def _bias_add(x: Any, bias: Any, **_: Any) -> Any:
    return ops.add(x, bias)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__operators__.add": ops.add, "math.add": ops.add,
    "math.subtract": ops.subtract, "math.multiply": ops.multiply,
    "math.truediv": ops.true_divide, "math.divide": ops.true_divide,
    "nn.bias_add": _bias_add, "nn.relu": ops.relu, "nn.relu6": ops.relu6, "nn.silu": ops.silu,
    "nn.softmax": ops.softmax, "math.sigmoid": ops.sigmoid, "nn.sigmoid": ops.sigmoid,
    "__operators__.getitem": lambda x, slice_spec: x[_slices(slice_spec)],
}  # fmt: skip


@keras.saving.register_keras_serializable("kerascnn")
class TensorFlowFunction(layers.Layer):  # type: ignore[misc] # Keras has no types
    """One of a few functions of TensorFlow, as a layer.

    Args:
        function: A key of ``_FUNCTIONS``.
        **options: Of every layer.
    """

    def __init__(self, function: str, **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, x: Any, y: Any = None, name: str | None = None, **named: Any) -> Any:  # noqa: ARG002
        """Apply the function to one tensor, or to a list of two; TensorFlow's ``name`` is idle."""
        both = list(x) if isinstance(x, list | tuple) else [x]
        if y is not None:
            both.append(y)
        return _FUNCTIONS[self.function](*both, **named)


def modern_config(node: dict[str, Any], where: str) -> dict[str, Any]:
    """Write one layer as Keras 3 would.

    Args:
        node: ``class_name``, ``config`` and the like, of a class of Keras.
        where: The file, for messages.

    Returns:
        The layer's node.

    Raises:
        ModelFileError: A function of TensorFlow that is not known here.
    """
    config = node.get("config")
    if not isinstance(config, dict):
        return node
    if node["class_name"] in OPERATION_CLASSES:
        return _as_function(node, config, where)
    if node["class_name"] in ("DTypePolicy", "Policy"):
        mixed = str(config.get("name")).startswith("mixed_")
        name = "float32" if mixed else config.get("name")
        return {**node, "class_name": "DTypePolicy", "config": {**config, "name": name}}
    if node["class_name"] == "Sequential":
        return {**node, "config": _with_input(config)}
    if node["class_name"] in ("Functional", "Model") and isinstance(config.get("layers"), list):
        return {**node, "config": _renumbered(config)}
    if node["class_name"] == "InputLayer":
        return node
    accepted = _arguments(node["class_name"])
    kept = {
        key: value
        for key, value in config.items()
        if key not in _GONE or key in accepted or (_GONE[key] is not None and value != _GONE[key])
    }
    if node["class_name"] == "BatchNormalization" and isinstance(kept.get("axis"), list):
        kept["axis"] = kept["axis"][0]
    return {**node, "config": kept}


def _with_input(config: dict[str, Any]) -> dict[str, Any]:
    """Give a Sequential model the input layer that the oldest files say in their first layer."""
    inner = config.get("layers") or []
    first = inner[0] if inner else {}
    options = first.get("config") if isinstance(first, dict) else None
    shape = options.get("batch_input_shape") if isinstance(options, dict) else None
    if shape is None or first.get("class_name") == "InputLayer":
        return config
    entry = {"class_name": "InputLayer", "config": {"batch_shape": shape, "dtype": "float32"}}
    return {**config, "layers": [entry, *inner]}


def _renumbered(config: dict[str, Any]) -> dict[str, Any]:
    """Count the calls of a model inside a model from 0.

    Keras 2 counts from 1, its own first making being call 0; this Keras does so too for what a
    model gives, but not for what its layers take.
    """
    inner = config["layers"]
    models = {layer.get("name") for layer in inner if layer.get("class_name") in _MODELS}

    def taken(source: Any) -> Any:
        if not isinstance(source, list):
            return source
        if len(source) > 2 and isinstance(source[0], str) and isinstance(source[1], int):
            fewer = 1 if source[0] in models and source[1] > 0 else 0
            return [source[0], source[1] - fewer, *[taken(item) for item in source[2:]]]
        return [taken(item) for item in source]

    layers_ = [
        {**layer, "inbound_nodes": taken(layer["inbound_nodes"])} if "inbound_nodes" in layer
        else layer
        for layer in inner
    ]  # fmt: skip
    return {**config, "layers": layers_}


def _as_function(node: dict[str, Any], config: dict[str, Any], where: str) -> dict[str, Any]:
    function = config.get("function")
    if function not in _FUNCTIONS:
        raise ModelFileError(
            f"{where}: calls TensorFlow's {function}, which Keras 2 kept as a layer and Keras 3 "
            f"does not have. Known here: {', '.join(sorted(_FUNCTIONS))}. Build the model from "
            "layers of Keras instead."
        )
    return {
        **node,
        "class_name": "TensorFlowFunction",
        "module": TensorFlowFunction.__module__,
        "registered_name": "kerascnn>TensorFlowFunction",
        "config": {"name": config.get("name"), "function": function},
        "inbound_nodes": [_call(call) for call in node.get("inbound_nodes", [])],
    }


def _call(call: Any) -> Any:
    """Write ``[layer, 0, 0, {"y": [other, 0, 0]}]`` as a list of two inputs.

    Raises:
        IndexError, TypeError: Not how Keras 2 writes a call.
    """
    inputs = [call] if isinstance(call[0], str) else list(call)
    named = dict(inputs[0][3]) if len(inputs[0]) > 3 else {}
    other = named.get("y")
    if isinstance(other, list) and other and isinstance(other[0], str):
        del named["y"]
        inputs.append([*other[:3]])
    return [[*one[:3], named] for one in inputs]


def _arguments(name: str) -> frozenset[str]:
    found = getattr(layers, name, None)
    return frozenset(inspect.signature(found).parameters) if found else frozenset()


def _slices(spec: Any) -> Any:
    """Turn what Keras 2 wrote for ``x[..., ::-1]`` into what Python takes."""
    if isinstance(spec, dict) and spec.get("class_name") == "__tuple__":
        spec = spec["items"]
    if isinstance(spec, list | tuple):
        return tuple(_slices(item) for item in spec)
    if isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__":
        return Ellipsis
    if isinstance(spec, dict):
        return slice(spec.get("start"), spec.get("stop"), spec.get("step"))
    return spec
