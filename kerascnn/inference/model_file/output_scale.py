"""Finds the scale of a quantized output in its graph.

Knows: the operators that quantize with a scale and a zero point, and scalar constants.
Does not know what the numbers mean (:mod:`kerascnn.inference.model_file.output_meaning`).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from kerascnn.inference.model_file.metadata import find_graph, opened
from kerascnn.inference.model_file.output_origin import read_graph
from kerascnn.inference.model_file.protobuf import Span, fields, whole_numbers
from kerascnn.inference.model_file.signature import Scale

QUANTIZED = ("tensor(uint8)", "tensor(int8)")
"""Types of quantized outputs, as named by onnxruntime."""

_SAME_NUMBERS = frozenset({"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose"})
"""Operators that pass numbers on unchanged."""

_SCALES = {
    "QuantizeLinear": 1, "QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7, "QLinearSoftmax": 3,
    "QLinearSigmoid": 3, "QLinearLeakyRelu": 3, "QLinearAdd": 6, "QLinearMul": 6,
    "QLinearGlobalAveragePool": 3, "QLinearAveragePool": 3, "QLinearReduceMean": 3,
    "QLinearConcat": 0,
}  # fmt: skip
"""By operator, index of the input that is the scale of its output; the zero point comes next."""

_NODE, _INITIALIZER = 1, 5
"""Fields of GraphProto."""

_FLOAT, _UINT8, _INT8 = 1, 2, 3
"""Data types of a TensorProto."""

_DATA_TYPE, _FLOAT_DATA, _INT32_DATA, _RAW_DATA = 2, 4, 5, 9
"""Fields of TensorProto."""

_RAW = {_FLOAT: "<f4", _UINT8: "u1", _INT8: "i1"}
"""By type, numpy's dtype of a number in ``raw_data``, which is little-endian on every machine."""


def output_scale(path: str | Path, output: str) -> Scale | None:
    """Find the scale of a quantized output.

    Returns:
        The scale; None if the graph does not have one scalar for all numbers.
    """
    makers = read_graph(path).makers
    name = output
    kind, inputs = makers.get(name, ("", []))
    seen: set[str] = set()
    while kind in _SAME_NUMBERS and name not in seen:
        seen.add(name)
        name = inputs[0]
        kind, inputs = makers.get(name, ("", []))
    place = _SCALES.get(kind)
    if place is None or len(inputs) <= place:
        return None
    zero_name = inputs[place + 1] if len(inputs) > place + 1 else ""
    found = _constants(path, {inputs[place], zero_name})
    scale, zero = found.get(inputs[place]), found.get(zero_name) if zero_name else 0
    return None if scale is None or zero is None else Scale(scale, int(zero))


def _constants(path: str | Path, names: set[str]) -> dict[str, float]:
    """Read scalar constants."""
    found: dict[str, float] = {}
    with opened(path) as (file, message):
        for part, value in fields(file, find_graph(file, message)):
            name, tensor = "", None
            if part == _INITIALIZER:
                name, tensor = "".join(_texts(file, value, 8)), value
            elif part == _NODE and _texts(file, value, 4) == ["Constant"]:
                name, tensor = "".join(_texts(file, value, 2)), _tensor_of(file, value)
            if name in names and tensor and (number := _single(file, tensor)) is not None:
                found[name] = number
    return found


def _tensor_of(file: BinaryIO, node: Span) -> Span | None:
    """Find the tensor among a node's attributes."""
    for part, attribute in fields(file, node):
        if part == 5:
            return next((span for inner, span in fields(file, attribute) if inner == 5), None)
    return None


def _texts(file: BinaryIO, message: Span, wanted: int) -> list[str]:
    found = [value for part, value in fields(file, message) if part == wanted]
    return [value.read(file).decode(errors="replace") for value in found]


def _single(file: BinaryIO, tensor: Span) -> float | None:
    parts = dict(fields(file, tensor))
    kind = parts[_DATA_TYPE].number if _DATA_TYPE in parts else 0
    if kind in (_UINT8, _INT8) and _INT32_DATA in parts:
        numbers = whole_numbers(file, parts[_INT32_DATA])
        # Negative numbers are encoded as 64-bit varints.
        return float(np.uint64(numbers[0]).astype(np.int64)) if len(numbers) == 1 else None
    span = parts.get(_RAW_DATA) or (parts.get(_FLOAT_DATA) if kind == _FLOAT else None)
    if span is None or kind not in _RAW or span.end - span.start != np.dtype(_RAW[kind]).itemsize:
        return None
    return float(np.frombuffer(span.read(file), _RAW[kind])[0])
