"""TensorFlow operators as the first versions of Keras 2 (TensorFlow 2.0 to 2.3) stored them.

Knows: how a ``TensorFlowOpLayer`` writes its operator, and which function that is. Does not know:
what functions compute (:mod:`kerascnn.training.foreign.tensorflow_functions`).
"""

from __future__ import annotations

from typing import Any

OP_LAYER = "TensorFlowOpLayer"
"""Class of the layers that store an operator."""

_FUNCTIONS = {
    **dict.fromkeys(("Add", "AddV2"), "math.add"), "Sub": "math.subtract", "Mul": "math.multiply",
    "RealDiv": "math.truediv", "Neg": "math.negative", "Square": "math.square", "Pow": "math.pow",
    "Maximum": "math.maximum", "Minimum": "math.minimum", "BiasAdd": "nn.bias_add",
    "Relu": "nn.relu", "Relu6": "nn.relu6", "Elu": "nn.elu", "Selu": "nn.selu",
    "Tanh": "math.tanh", "Sigmoid": "math.sigmoid", "Softmax": "nn.softmax",
    "LogSoftmax": "nn.log_softmax", "Softplus": "nn.softplus", "Exp": "math.exp", "Log": "math.log",
    "Abs": "math.abs", "Sqrt": "math.sqrt", "Rsqrt": "math.rsqrt", "Identity": "identity",
    "Mean": "math.reduce_mean", "Sum": "math.reduce_sum", "Max": "math.reduce_max",
    "Min": "math.reduce_min", "Prod": "math.reduce_prod", "Reshape": "reshape",
    "Transpose": "transpose", "ExpandDims": "expand_dims", "Pad": "pad", "Tile": "tile",
    "Cast": "cast", "ReverseV2": "reverse", "ConcatV2": "concat",
    "StridedSlice": "__operators__.getitem",
}  # fmt: skip
"""TensorFlow's function of each operator."""

_TYPES = {
    "DT_FLOAT": "float32", "DT_HALF": "float32", "DT_DOUBLE": "float32", "DT_INT32": "int32",
    "DT_UINT8": "uint8",
}  # fmt: skip
"""Types of TensorFlow; a model computes in float32."""

_SECOND = {
    **dict.fromkeys(("Mean", "Sum", "Max", "Min", "Prod", "ExpandDims", "ReverseV2"), "axis"),
    "Reshape": "shape", "Transpose": "perm", "Pad": "paddings", "Tile": "multiples",
}  # fmt: skip
"""Name of the constant that is the second argument of a function; else ``y``."""


def as_call(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Convert an operator to a function and its named arguments.

    Returns:
        TensorFlow's function, or the operator's own name if it is not known here.

    Raises:
        KeyError, TypeError, AttributeError: It is not Keras 2's form.
    """
    node = config["node_def"]
    operator, attributes = node["op"], node.get("attr", {})
    constants = {int(index): value for index, value in (config.get("constants") or {}).items()}
    if operator == "StridedSlice":
        return _FUNCTIONS[operator], {"slice_spec": _slices(constants, attributes)}
    named: dict[str, Any] = {}
    if operator == "Cast":
        named["dtype"] = _TYPES[attributes["DstT"]["type"]]
    if operator == "ConcatV2":
        named["axis"] = constants.popitem()[1]
    if "keep_dims" in attributes:
        named["keepdims"] = bool(attributes["keep_dims"].get("b"))
    if 0 in constants:
        named["before"] = constants.pop(0)
    if 1 in constants:
        named[_SECOND.get(operator, "y")] = constants.pop(1)
    known = operator in _FUNCTIONS and not constants
    return _FUNCTIONS[operator] if known else operator, named


def _slices(constants: dict[int, Any], attributes: dict[str, Any]) -> list[Any]:
    """Convert ``begin``, ``end``, ``strides`` and masks to Keras 2's later form of ``x[...]``."""

    def in_mask(name: str, place: int) -> bool:
        return bool(int(attributes.get(f"{name}_mask", {}).get("i", 0)) >> place & 1)

    found: list[Any] = []
    for place, (start, stop, step) in enumerate(
        zip(*(constants[n] for n in (1, 2, 3)), strict=True)
    ):
        if in_mask("ellipsis", place):
            found.append({"class_name": "__ellipsis__", "config": {}})
        elif in_mask("new_axis", place):
            found.append(None)
        elif in_mask("shrink_axis", place):
            found.append(start)
        else:
            ends = (None if in_mask("begin", place) else start,
                    None if in_mask("end", place) else stop)  # fmt: skip
            found.append({"start": ends[0], "stop": ends[1], "step": step})
    return found
