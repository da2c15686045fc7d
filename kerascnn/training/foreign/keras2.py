"""Conversion of Keras 2's architectures, which Keras 3 does not read, to Keras 3's.

Knows: removed arguments, the numbering of calls, and Keras 2's notation of a call of a TensorFlow
function. Does not know: what those compute, files.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from keras import layers

from kerascnn.errors import ModelFileError
from kerascnn.training.foreign.tensorflow_functions import FUNCTIONS, TensorFlowFunction
from kerascnn.training.foreign.tensorflow_op_layers import OP_LAYER, as_call

OPERATION_CLASSES = ("TFOpLambda", "SlicingOpLambda", OP_LAYER)
"""Layers that hold no code, despite the name: the name of a TensorFlow function, and its
arguments."""

WAY_OUT = (
    "Load the model where it was made, run it once and export it: in Keras 3 with "
    "model.export('model.onnx', format='onnx'), in Keras 2 with "
    "tf2onnx.convert.from_keras(model, output_path='model.onnx'). Then use that file: "
    "kerascnn predict model.onnx --labels FILE"
)
"""What to do with a model that cannot be read, for a message."""

_IDLE = {"groups": 1, "rng_type": None, "ragged": False, "optional": False,
         "batch_input_shape": None, "time_major": False, "kernel_initializer": None,
         "kernel_regularizer": None, "kernel_constraint": None, "query_shape": None,
         "key_shape": None, "value_shape": None, "softmax_robust_masking": False,
         "trainable": None, "noise_shape": None}  # fmt: skip
"""Arguments that this Keras may not accept, each with the value at which it has no effect; None:
any."""


RENAMED = {
    "Policy": "DTypePolicy", "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization", "Custom>CustomScaleLayer": "CustomScaleLayer",
    "GroupedQueryAttention": "GroupQueryAttention", "ThresholdedReLU": "ReLU",
    "RandomHeight": "Identity", "RandomWidth": "Identity",
}  # fmt: skip
"""New names of classes of Keras 2, or .h5 files, that still exist, or do the same in inference."""

REMOVED = ("LocallyConnected1D", "LocallyConnected2D", "DenseFeatures", "RandomFourierFeatures")
"""Layers of Keras 2 that Keras 3 does not have."""

_MODELS = ("Functional", "Model", "Sequential")


def modern_config(node: dict[str, Any], where: str) -> dict[str, Any]:
    """Convert one layer to Keras 3's form.

    Raises:
        ModelFileError: It is an unknown function of TensorFlow.
    """
    config = node.get("config")
    if not isinstance(config, dict):
        return node
    if node["class_name"] in OPERATION_CLASSES:
        return _as_function(node, config, where)
    if node["class_name"] == "DTypePolicy":
        return {**node, "config": {**config, "name": single(config.get("name"))}}
    if node["class_name"] == "Sequential":
        return {**node, "config": _with_input(config)}
    if node["class_name"] in ("Functional", "Model") and isinstance(config.get("layers"), list):
        return {**node, "config": _renumbered(config)}
    if node["class_name"] == "InputLayer":
        return node
    if node.get("module") == "keras.initializers":  # TensorFlow 1 stored their type
        return {**node, "config": {key: config[key] for key in config if key != "dtype"}}
    if "query_shape" in config:  # attention is built from the shapes of its first call now
        node = {key: value for key, value in node.items() if key != "build_config"}
    node = {**node, "config": _modern_options(node["class_name"], config)}
    if isinstance(node.get("inbound_nodes"), list):
        node["inbound_nodes"] = [_with_named_tensors(call) for call in node["inbound_nodes"]]
    return node


def _modern_options(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Convert a layer's options to Keras 3's form, without removed ones that have no effect."""
    if name == "Identity":
        config = {key: config[key] for key in ("name", "dtype", "trainable") if key in config}
    if "theta" in config:  # of ThresholdedReLU
        config = {"threshold" if key == "theta" else key: config[key] for key in config}
    accepted = _arguments(name)
    kept = {
        key: value
        for key, value in config.items()
        if key not in _IDLE or key in accepted or (_IDLE[key] is not None and value != _IDLE[key])
    }
    if "BatchNormalization" in name and isinstance(kept.get("axis"), list):
        kept["axis"] = kept["axis"][0]
    if name == "Discretization":
        kept.pop("dtype", None)  # in Keras 2 that of its output, in Keras 3 of its input
    return kept


def _with_named_tensors(call: Any) -> Any:
    """Convert a call with tensors among its named arguments, as attention's, to Keras 3's form."""
    if not isinstance(call, list) or not call:
        return call
    inputs = [call] if isinstance(call[0], str) else call
    named = inputs[0][3] if len(inputs[0]) > 3 else {}
    if not any(_is_source(value) for value in named.values()):
        return call
    tensors = [_tensor(source) for source in inputs]
    kwargs = {key: _tensor(item) if _is_source(item) else item for key, item in named.items()}
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": kwargs}


def _is_source(value: Any) -> bool:
    return isinstance(value, list) and [type(item) for item in value[:3]] == [str, int, int]


def _tensor(source: list[Any]) -> dict[str, Any]:
    # Shape and type are ignored, the origin is not.
    config = {"shape": [1], "dtype": "float32", "keras_history": source[:3]}
    return {"class_name": "__keras_tensor__", "config": config}


def _with_input(config: dict[str, Any]) -> dict[str, Any]:
    """Add the input layer that the oldest files declare in their first layer."""
    inner = config.get("layers") or []
    first = inner[0] if inner else {}
    options = first.get("config") if isinstance(first, dict) else None
    shape = options.get("batch_input_shape") if isinstance(options, dict) else None
    if shape is None or first.get("class_name") == "InputLayer":
        return config
    entry = {"class_name": "InputLayer", "config": {"batch_shape": shape, "dtype": "float32"}}
    return {**config, "layers": [entry, *inner]}


def single(dtype: Any) -> Any:
    """Return float32 for a mixed precision, whose weights are float32; else the given type."""
    mixed = isinstance(dtype, str) and dtype.startswith("mixed_")
    return "float32" if mixed else dtype


def _renumbered(config: dict[str, Any]) -> dict[str, Any]:
    """Renumber the calls of nested models as in this Keras, and unwrap lists of one tensor.

    Keras 2 counts from 1 for a model that was created with an input, its creation being call 0, and
    from 0 for others. This Keras counts from 0 in the inputs of layers; in the inputs and outputs
    of the outer model, from 1 for a functional model and from 0 for a Sequential one.
    """
    inner = config["layers"]
    if _is_keras3(inner):
        return config
    models = {layer.get("name"): layer for layer in inner if layer.get("class_name") in _MODELS}
    ends: dict[str, Any] = {
        key: config[key] for key in ("input_layers", "output_layers") if key in config
    }
    first_calls = _first_calls(
        [layer.get("inbound_nodes") for layer in inner] + list(ends.values())
    )

    def taken(source: list[Any]) -> list[Any]:
        fewer = first_calls[source[0]] if source[0] in models else 0
        return [source[0], source[1] - fewer, *source[2:]]

    def given(source: list[Any]) -> list[Any]:
        functional = source[0] in models and models[source[0]]["class_name"] != "Sequential"
        name, call, *rest = taken(source)
        return [name, call + functional, *rest]

    layers_ = [
        {**layer, "inbound_nodes": _each_call(layer["inbound_nodes"], taken)}
        if "inbound_nodes" in layer else layer
        for layer in inner
    ]  # fmt: skip
    opened: dict[str, Any] = {key: _only(_each_call(value, given)) for key, value in ends.items()}
    return {**config, "layers": layers_, **opened}


def _is_keras3(inner: list[dict[str, Any]]) -> bool:
    """Return whether calls are written as in Keras 3 (objects) and not as in Keras 2 (lists)."""
    nodes = [node for layer in inner for node in layer.get("inbound_nodes") or []]
    return any(isinstance(node, dict) for node in nodes)


def _each_call(value: Any, change: Callable[[list[Any]], list[Any]]) -> Any:
    """Apply a function to every ``[layer, call, tensor, ...]``, also in named arguments."""
    if isinstance(value, dict):
        return {key: _each_call(item, change) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > 2 and isinstance(value[0], str) and isinstance(value[1], int):
        value = change(value)
        return [*value[:3], *[_each_call(item, change) for item in value[3:]]]
    return [_each_call(item, change) for item in value]


def _first_calls(values: list[Any]) -> dict[str, int]:
    """Return the number of the first call of each layer that is an input."""
    first_calls: dict[str, int] = {}

    def note(source: list[Any]) -> list[Any]:
        first_calls[source[0]] = min(source[1], first_calls.get(source[0], source[1]))
        return source

    _each_call(values, note)
    return first_calls


def _only(ends: Any) -> Any:
    """Unwrap a list of one tensor, which Keras 2 took and returned as the tensor itself."""
    single_list = isinstance(ends, list) and len(ends) == 1 and isinstance(ends[0], list)
    return ends[0] if single_list else ends


def _as_function(node: dict[str, Any], config: dict[str, Any], where: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    if node["class_name"] == OP_LAYER:
        function, named = as_call(config)
        config = {"name": node.get("name")}
    else:
        function = str(config.get("function")).removeprefix("compat.v1.")
    if function not in FUNCTIONS:
        raise ModelFileError(
            f"{where}: calls TensorFlow's {function}, which Keras 2 kept as a layer and Keras 3 "
            f"does not have. {WAY_OUT}"
        )
    return {
        **node,
        "class_name": "TensorFlowFunction",
        "module": TensorFlowFunction.__module__,
        "registered_name": "kerascnn>TensorFlowFunction",
        "config": {"name": config.get("name"), "function": function},
        "inbound_nodes": [_call(call, named) for call in node.get("inbound_nodes", [])],
    }


def _call(call: Any, extra: dict[str, Any]) -> Any:
    """Convert ``[layer, 0, 0, {"y": [other, 0, 0]}]`` to a list of two inputs.

    A constant as the first operand (``1 - x``) becomes the named argument ``before``.

    Raises:
        IndexError, TypeError, KeyError: It is not Keras 2's form of a call.
    """
    inputs = [call] if isinstance(call[0], str) else list(call)
    named = {**(inputs[0][3] if len(inputs[0]) > 3 else {}), **extra}
    if inputs[0][0] == "_CONSTANT_VALUE":
        other = named.pop("y")
        return [[*other[:3], {**named, "before": inputs[0][2]}]]
    if "x" in named and not _is_source(named["x"]):
        named["then"] = named.pop("x")  # of tf.where, which takes numbers in place of tensors
    for key in ("x", "y", "b"):
        if _is_source(named.get(key)):
            inputs.append(named.pop(key)[:3])
    return [[*one[:3], named] for one in inputs]


def _arguments(name: str) -> frozenset[str]:
    found = getattr(layers, name, None)
    if found is None:
        return frozenset()
    taken = inspect.signature(found).parameters
    any_more = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())
    return frozenset([*taken, "trainable"] if any_more else taken)
