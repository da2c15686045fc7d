"""The functions of TensorFlow that Keras 2 kept as layers, written with Keras' operations.

Knows: what they compute, as `preprocess_input` and arithmetic on tensors left them in files. Does
not know how a file names its calls: see :mod:`kerascnn.training.foreign.keras2`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops


def _bias_add(x: Any, bias: Any, **_: Any) -> Any:
    return ops.add(x, bias)


def _clip(x: Any, clip_value_min: float, clip_value_max: float) -> Any:
    return ops.clip(x, clip_value_min, clip_value_max)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__operators__.add": ops.add, "math.add": ops.add,
    "math.subtract": ops.subtract, "math.multiply": ops.multiply,
    "math.truediv": ops.true_divide, "math.divide": ops.true_divide,
    "math.negative": ops.negative, "math.square": ops.square, "math.pow": ops.power,
    "math.maximum": ops.maximum, "math.minimum": ops.minimum, "clip_by_value": _clip,
    "math.reduce_mean": ops.mean, "math.reduce_sum": ops.sum,
    "concat": lambda *x, axis: ops.concatenate(x, axis),
    "stack": lambda *x, axis=0: ops.stack(x, axis),
    "math.add_n": lambda *x: sum(x[1:], x[0]),
    "nn.bias_add": _bias_add, "nn.relu": ops.relu, "nn.relu6": ops.relu6, "nn.silu": ops.silu,
    "math.tanh": ops.tanh, "nn.tanh": ops.tanh,
    "nn.softmax": ops.softmax, "math.sigmoid": ops.sigmoid, "nn.sigmoid": ops.sigmoid,
    "identity": lambda x: x, "cast": ops.cast, "reshape": lambda x, shape: ops.reshape(x, shape),
    "squeeze": ops.squeeze, "expand_dims": ops.expand_dims,
    "__operators__.getitem": lambda x, slice_spec: x[_slices(slice_spec)],
}  # fmt: skip
"""By TensorFlow's name without ``tf.``."""


@keras.saving.register_keras_serializable("kerascnn")
class TensorFlowFunction(layers.Layer):  # type: ignore[misc] # Keras has no types
    """One of a few functions of TensorFlow, as a layer.

    Args:
        function: A key of ``FUNCTIONS``.
        **options: Options of every layer.
    """

    def __init__(self, function: str, **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(
        self,
        x: Any,
        y: Any = None,
        before: float | None = None,
        name: str | None = None,  # noqa: ARG002
        **named: Any,
    ) -> Any:
        """Apply the function to one tensor, or to a list; TensorFlow's ``name`` is idle."""
        values = list(x) if isinstance(x, list | tuple) else [x]
        if before is not None:
            values.insert(0, before)
        if y is not None:
            values.append(y)
        return FUNCTIONS[self.function](*values, **named)


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
