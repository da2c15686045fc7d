"""The operations that compute a Keras model's outputs.

Knows: which layers and operations pass values on, mix or squash them, in nested models too. Does
not know: what outputs mean (:mod:`kerascnn.inference.model_file.output_meaning`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras

from kerascnn.inference.model_file.output_meaning import OutputOrigin, Source
from kerascnn.inference.model_file.output_origin import Trace, collect_sources
from kerascnn.inference.model_file.signature import Meaning

_SQUASHING: dict[str, Source] = {
    "softmax": "softmax", "nn.softmax": "softmax", "Softmax": "softmax",
    "sigmoid": "sigmoid", "nn.sigmoid": "sigmoid", "math.sigmoid": "sigmoid",
    "Sigmoid": "sigmoid", "hard_sigmoid": "sigmoid", "HardSigmoid": "sigmoid",
    "hard_sigmoid_of_keras_2": "sigmoid",
    "log_softmax": "log_softmax", "LogSoftmax": "log_softmax", "nn.log_softmax": "log_softmax",
}  # fmt: skip
"""Squashing functions by activation, by Keras 2's name of TensorFlow's function, and by class."""

_MEANINGS: dict[str, Meaning] = {"softmax": "probabilities", "sigmoid": "sigmoids"}
"""Meaning of activations that can be removed: the input of a hard sigmoid is not a sigmoid's
logits."""

_PASS_THROUGH = frozenset(
    {"Flatten", "Reshape", "Dropout", "Identity", "Permute", "Squeeze", "ExpandDims", "Cast",
     "Transpose", "reshape", "squeeze", "expand_dims", "cast", "identity"}
)  # fmt: skip
"""Operations that pass values on, in another shape or type."""

_CLIPPING = frozenset({"Clip", "clip_by_value"})
"""Operations that clip values: no activation may be removed before them."""

_LOGARITHMS = ("Log", "math.log")

_MIXING = frozenset(
    {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Rescaling",
     "GlobalMaxPooling1D", "GlobalMaxPooling2D", "MaxPooling2D", "GlobalAveragePooling1D",
     "GlobalAveragePooling2D", "AveragePooling2D", "Divide", "TrueDivide",
     "Mean", "Sum", "Max", "Min", "TopK", "Round", "Stack", "GetItem", "Negative",
     "__operators__.add", "math.add",
     "math.subtract", "math.multiply", "math.truediv", "math.divide", "math.negative",
     "math.maximum", "math.minimum", "math.reduce_mean", "math.reduce_sum", "math.add_n", "concat",
     "stack", "__operators__.getitem"}
)  # fmt: skip
"""Operations that combine, scale or select values."""

_MATRICES = (
    keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Conv1D, keras.layers.Conv2D,
    keras.layers.SeparableConv2D, keras.layers.BatchNormalization,
)  # fmt: skip
"""Layers that apply a matrix."""

_RECTIFYING = frozenset(
    {"linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish",
     "mish", "hard_swish", "hard_silu", "ReLU", "LeakyReLU", "PReLU", "ELU", "Relu", "Relu6",
     "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "nn.relu", "nn.relu6", "nn.silu", "nn.elu",
     "nn.selu", "nn.gelu", "nn.leaky_relu"}
)  # fmt: skip
"""Activations behind which logits are still logits, unless a constant is added: evidence."""

_SQUARES = ("Square", "math.square", "Power", "math.pow", "math.squared_difference")

_SHIFTING = ("Add", "Subtract", "Rescaling", "__operators__.add", "math.add", "math.subtract")

_UNIT_LENGTH = frozenset({"UnitNormalization", "Normalize", "math.l2_normalize"})
"""Operations that divide vectors by their length."""


def find_origin(model: keras.Model) -> OutputOrigin:
    """Determine where a model's outputs come from."""
    last, inputs = _trace_back(model.outputs[0], _PASS_THROUGH | _CLIPPING)
    if (found := _squashing(last, inputs)) is not None:
        return OutputOrigin(frozenset({found}), last=_name(last))
    return replace(collect_sources(model.outputs[0], _trace), last=_name(last))


def _trace(tensor: Any) -> Trace:
    """Take a tensor one step back."""
    operation, inputs = _trace_back(tensor, _PASS_THROUGH | _CLIPPING)
    step = Trace(id(operation), quantized=_name(operation) == "Round")
    grouped = _grouped(operation, inputs)
    if (found := _squashing(operation, inputs) or grouped) is not None:
        return step._replace(source=found, by_matrix=grouped is not None)
    if _is_square(operation, inputs):
        return step._replace(source="unknown", squares=True)
    if _name(operation) in _MIXING and not _is_shifted_rectifier(operation, inputs):
        return step._replace(inputs=inputs)
    return step._replace(source=_unsquashed(operation, inputs))


def last_layer(model: keras.Model) -> Any:
    """Return the operation that computes a model's outputs, up to their shape."""
    return _trace_back(model.outputs[0], _PASS_THROUGH)[0]


def activation_meaning(operation: Any) -> Meaning | None:
    """Return the meaning of a layer's outputs by its activation; None without a squashing one."""
    return _MEANINGS.get(getattr(getattr(operation, "activation", None), "__name__", ""))


def _trace_back(tensor: Any, handing_on: frozenset[str]) -> tuple[Any, list[Any]]:
    """Trace a tensor back past operations that pass it on; return its operation and its inputs."""
    while True:
        operation, index, position = tensor._keras_history
        if isinstance(operation, keras.Model):
            tensor = operation.outputs[position]
            continue
        inputs = list(operation._inbound_nodes[index].input_tensors)
        if not (_name(operation) in handing_on or _is_idle(operation)) or not inputs:
            return operation, inputs
        tensor = inputs[0]


def _name(operation: Any) -> str:
    return getattr(operation, "function", None) or type(operation).__name__


def _activations(operation: Any) -> Iterator[str]:
    yield getattr(getattr(operation, "activation", None), "__name__", "")
    yield _name(operation)


def _squashing(operation: Any, inputs: list[Any]) -> Source | None:
    if _name(operation) in _LOGARITHMS and len(inputs) == 1:
        of = _squashing(*_trace_back(inputs[0], _PASS_THROUGH | _CLIPPING))
        return "log_softmax" if of == "softmax" else None
    return next((_SQUASHING[name] for name in _activations(operation) if name in _SQUASHING), None)


def _is_idle(operation: Any) -> bool:
    is_activation = isinstance(operation, keras.layers.Activation)
    return is_activation and operation.activation is keras.activations.linear


def _unsquashed(operation: Any, inputs: list[Any]) -> Source:
    """Return the source of numbers that no softmax or sigmoid makes."""
    if not isinstance(operation, _MATRICES):
        return "linear" if _RECTIFYING.intersection(_activations(operation)) else "unknown"
    before = _trace_back(inputs[0], _PASS_THROUGH)[0]
    if _name(before) in _UNIT_LENGTH:
        return "cosine"
    return "linear" if next(_activations(operation)) in _RECTIFYING | {""} else "unknown"


def _is_square(operation: Any, inputs: list[Any]) -> bool:
    product = _name(operation) in ("Multiply", "math.multiply")
    return _name(operation) in _SQUARES or (product and len(inputs) > 1 and inputs[0] is inputs[1])


def _is_shifted_rectifier(operation: Any, inputs: list[Any]) -> bool:
    """Return whether a constant is added to a rectified value, as evidential networks do."""
    if _name(operation) not in _SHIFTING or len(inputs) != 1:
        return False
    before = _trace_back(inputs[0], _PASS_THROUGH | _CLIPPING)[0]
    return bool((_RECTIFYING - {"linear"}).intersection(_activations(before)))


def _is_linear(operation: Any) -> bool:
    activation = getattr(operation, "activation", None)
    return isinstance(operation, _MATRICES) and activation in (None, keras.activations.linear)


def _grouped(operation: Any, inputs: list[Any]) -> Source | None:
    """Return ``softmax`` if a matrix is applied to one, which then groups probabilities."""
    if not _is_linear(operation) or len(inputs) != 1:
        return None
    squashing = _squashing(*_trace_back(inputs[0], _PASS_THROUGH | _CLIPPING))
    return "softmax" if squashing == "softmax" else None
