"""TensorFlow functions that Keras 2 stored as layers, in Keras' operations.

Knows: what they compute; `preprocess_input` and arithmetic on tensors leave them in files. Does not
know: how a file writes its calls (:mod:`kerascnn.training.foreign.keras2`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import keras
from keras import layers, ops


def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(squares, epsilon)))


def _matmul(x: Any, y: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return ops.matmul(*(ops.swapaxes(one, -1, -2) if turned else one
                        for one, turned in ((x, transpose_a), (y, transpose_b))))  # fmt: skip


def _pad(x: Any, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0) -> Any:
    value = constant_values if mode == "CONSTANT" else None
    return ops.pad(x, paddings, mode.lower(), constant_values=value)


def _split(x: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    sizes = num_or_size_splits
    return ops.split(x, sizes if isinstance(sizes, int) else list(accumulate(sizes[:-1])), axis)


def _resize(x: Any, size: Any, method: str = "bilinear", antialias: bool = False) -> Any:
    return ops.image.resize(x, tuple(size), interpolation=method, antialias=antialias)


def _pooled(pool: Callable[..., Any]) -> Callable[..., Any]:
    def pooled(x: Any, ksize: Any, strides: Any, padding: str, **_: Any) -> Any:
        return pool(x, _sides(ksize), _sides(strides), padding.lower())

    return pooled


def _sides(size: int | list[int]) -> tuple[int, int]:
    """Return height and width of a size that TensorFlow takes as one number, two or four."""
    sides = [size, size] if isinstance(size, int) else size[1:3] if len(size) == 4 else size
    return sides[0], sides[-1]


def _where(condition: Any, *tensors: Any, then: Any = None) -> Any:
    return ops.where(condition, *tensors) if then is None else ops.where(condition, then, *tensors)


def _gather(x: Any, indices: Any, axis: int = 0, **_: Any) -> Any:
    return ops.take(x, indices, axis)


def _standardize(x: Any) -> Any:
    axes = (-3, -2, -1)
    smallest = 1 / math.sqrt(math.prod(x.shape[1:]))
    deviation = ops.maximum(ops.std(x, axis=axes, keepdims=True), smallest)
    return (x - ops.mean(x, axis=axes, keepdims=True)) / deviation


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__operators__.add": ops.add, "math.add": ops.add,
    "math.subtract": ops.subtract, "math.multiply": ops.multiply,
    "math.truediv": ops.true_divide, "math.divide": ops.true_divide,
    "math.negative": ops.negative, "math.square": ops.square, "math.pow": ops.power,
    "math.maximum": ops.maximum, "math.minimum": ops.minimum,
    "clip_by_value": lambda x, clip_value_min, clip_value_max: ops.clip(
        x, clip_value_min, clip_value_max
    ),
    "math.reduce_mean": ops.mean, "math.reduce_sum": ops.sum,
    "concat": lambda *x, axis: ops.concatenate(x, axis),
    "stack": lambda *x, axis=0: ops.stack(x, axis),
    "math.add_n": lambda *x: sum(x[1:], x[0]),
    "nn.bias_add": lambda x, bias, **_: ops.add(x, bias),
    "nn.relu": ops.relu, "nn.relu6": ops.relu6, "nn.silu": ops.silu,
    "math.tanh": ops.tanh, "nn.tanh": ops.tanh,
    "nn.softmax": ops.softmax, "math.sigmoid": ops.sigmoid, "nn.sigmoid": ops.sigmoid,
    "math.exp": ops.exp, "math.log": ops.log, "math.abs": ops.abs, "math.sqrt": ops.sqrt,
    "math.rsqrt": ops.rsqrt, "math.softplus": ops.softplus, "nn.softplus": ops.softplus,
    "nn.elu": ops.elu, "nn.selu": ops.selu, "nn.log_softmax": ops.log_softmax,
    "nn.gelu": lambda x, approximate=False: ops.gelu(x, approximate),
    "nn.leaky_relu": lambda x, alpha=0.2: ops.leaky_relu(x, alpha),
    "math.reduce_max": ops.max, "math.reduce_min": ops.min, "math.reduce_prod": ops.prod,
    "math.l2_normalize": _l2_normalize, "linalg.matmul": _matmul,
    "transpose": lambda x, perm=None, **_: ops.transpose(x, perm), "pad": _pad, "split": _split,
    "image.resize": _resize, "image.per_image_standardization": _standardize,
    "image.flip_left_right": lambda x: ops.flip(x, -2),
    "image.flip_up_down": lambda x: ops.flip(x, -3), "reverse": ops.flip,
    "nn.max_pool": _pooled(ops.max_pool), "nn.max_pool2d": _pooled(ops.max_pool),
    "nn.avg_pool": _pooled(ops.average_pool), "nn.avg_pool2d": _pooled(ops.average_pool),
    "math.greater": ops.greater, "math.greater_equal": ops.greater_equal,
    "math.less": ops.less, "math.less_equal": ops.less_equal, "where": _where,
    "math.squared_difference": lambda x, y: ops.square(x - y), "math.sign": ops.sign,
    "math.floor": ops.floor, "math.round": ops.round, "math.sin": ops.sin, "math.cos": ops.cos,
    "math.erf": ops.erf, "math.reciprocal": ops.reciprocal, "math.cumsum": ops.cumsum,
    "math.reduce_std": ops.std, "math.reduce_variance": ops.var,
    "math.reduce_logsumexp": ops.logsumexp, "ones_like": ops.ones_like,
    "zeros_like": ops.zeros_like, "stop_gradient": lambda x: x, "gather": _gather,
    "tile": lambda x, multiples: ops.tile(x, multiples),
    "unstack": lambda x, axis=0, **_: ops.unstack(x, axis=axis),
    "image.rgb_to_grayscale": ops.image.rgb_to_grayscale,
    "identity": lambda x: x, "cast": ops.cast, "reshape": lambda x, shape: ops.reshape(x, shape),
    "squeeze": ops.squeeze, "expand_dims": ops.expand_dims,
    "__operators__.getitem": lambda x, slice_spec: x[_slices(slice_spec)],
}  # fmt: skip
"""Functions by TensorFlow's name without ``tf.`` and ``tf.compat.v1.``."""


@keras.saving.register_keras_serializable("kerascnn")
class TensorFlowFunction(layers.Layer):  # type: ignore[misc] # Keras has no types
    """One of a few functions of TensorFlow, by its key in ``FUNCTIONS``, as a layer."""

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
        """Apply the function to one tensor, or to a list; TensorFlow's ``name`` is ignored."""
        values = list(x) if isinstance(x, list | tuple) else [x]
        if before is not None:
            values.insert(0, before)
        if y is not None:
            values.append(y)
        return FUNCTIONS[self.function](*values, **named)


def _slices(spec: Any) -> Any:
    """Convert Keras 2's notation of ``x[..., ::-1]`` to Python's."""
    if isinstance(spec, dict) and spec.get("class_name") == "__tuple__":
        spec = spec["items"]
    if isinstance(spec, list | tuple):
        return tuple(_slices(item) for item in spec)
    if isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__":
        return Ellipsis
    if isinstance(spec, dict):
        return slice(spec.get("start"), spec.get("stop"), spec.get("step"))
    return spec
