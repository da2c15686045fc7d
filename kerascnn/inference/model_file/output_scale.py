"""Finds the scale of a quantized output in its graph.

Knows: the operators that quantize with a scale and a zero point.
Does not know what the numbers mean (:mod:`kerascnn.inference.model_file.output_meaning`).
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.inference.model_file.constants import read_constants
from kerascnn.inference.model_file.output_origin import read_graph
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


def output_scale(path: str | Path, output: str) -> Scale | None:
    """Find the scale of a quantized output; None unless there is one scalar for all numbers."""
    graph = read_graph(path)
    kind, inputs = graph.maker(graph.path_back(output, _SAME_NUMBERS)[-1])
    place = _SCALES.get(kind)
    if place is None or len(inputs) <= place:
        return None
    zero_name = inputs[place + 1] if len(inputs) > place + 1 else ""
    found = {
        name: float(numbers[0])
        for name, numbers in read_constants(path, {inputs[place], zero_name}).items()
        if len(numbers) == 1
    }
    scale, zero = found.get(inputs[place]), found.get(zero_name) if zero_name else 0
    return None if scale is None or zero is None else Scale(scale, int(zero))
