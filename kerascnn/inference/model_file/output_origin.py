"""Traces an output of an ``.onnx`` graph to the operators that compute it, without onnx.

Knows: the parts of GraphProto needed to follow an output back, and which operators pass values on,
mix them or squash them. Skips weights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from kerascnn.inference.model_file.metadata import find_graph, opened
from kerascnn.inference.model_file.nodes import (
    GRAPH_INPUT,
    INITIALIZER,
    INPUT_NAME,
    NODE,
    TENSOR_NAME,
    read_activation,
    read_node,
)
from kerascnn.inference.model_file.output_meaning import OutputOrigin, Source

_SAME_VALUES = frozenset(
    {"Identity", "Cast", "CastLike", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose",
     "Dropout", "Clip", "QuantizeLinear", "DequantizeLinear", "Round", "ReorderInput",
     "ReorderOutput", "ZipMap"}
)  # fmt: skip
"""Operators that pass on the values of their first input, reshaped, cast, clipped or rounded."""

_MIXING = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Sum", "Mean", "Max", "Min", "Concat", "Slice", "Gather",
     "Split", "Expand", "Tile", "ReduceMean", "ReduceSum", "ReduceMax", "GlobalAveragePool",
     "AveragePool", "GlobalMaxPool", "MaxPool", "TopK",
     "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearReduceMean",
     "QLinearGlobalAveragePool", "QLinearAveragePool"}
)  # fmt: skip
"""Operators without weights that combine or select values of their inputs."""

_MATRICES = frozenset(
    {"Gemm", "MatMul", "Conv", "FusedMatMul", "FusedGemm", "FusedConv", "QGemm", "QLinearMatMul",
     "QLinearConv", "MatMulInteger", "ConvInteger", "BatchNormalization"}
)  # fmt: skip
"""Operators with learned weights, whose outputs are linear in their inputs."""

_RECTIFYING = frozenset(
    {"Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSwish", "Gelu"}
)
"""Activations behind which logits are still logits, unless a constant is added: evidence."""

_SQUARES = frozenset({"Pow", "ReduceSumSquare"})

_UNIT_LENGTH = frozenset({"LpNormalization", "ReduceL2"})
"""Operators by which vectors are divided by their length."""

_QUANTIZED = ("QLinear", "QGemm", "QuantizeLinear", "DequantizeLinear", "Round")
"""Prefixes of operators that quantize."""

_SQUASHING: dict[str, Source] = {
    "Softmax": "softmax", "QLinearSoftmax": "softmax", "BiasSoftmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid", "QLinearSigmoid": "sigmoid", "HardSigmoid": "sigmoid",
}  # fmt: skip


@dataclass
class Graph:
    """Which operator computes which value."""

    # by name of a value, the operator that computes it and the operator's inputs
    makers: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)  # names of the graph's inputs
    weights: set[str] = field(default_factory=set)  # names of its constants

    def maker(self, name: str) -> tuple[str, list[str]]:
        """Return the operator that computes a value, and its inputs; empty if there is none."""
        return self.makers.get(name, ("", []))

    def path_back(self, name: str, passing: Collection[str]) -> list[str]:
        """Follow a value back through the first inputs of the ``passing`` operators.

        Returns:
            Names from this one to the first that no such operator computes.
        """
        path = [name]
        while True:
            kind, inputs = self.maker(path[-1])
            # A graph has no cycles, but a broken file may.
            if kind not in passing or not inputs or inputs[0] in path:
                return path
            path.append(inputs[0])

    def is_constant(self, name: str) -> bool:
        """Return whether a value is the same for all pictures."""
        if not name or name in self.weights:
            return True
        if name in self.given or name not in self.makers:
            return False
        kind, inputs = self.makers[name]
        return kind == "Constant" or (
            kind in _SAME_VALUES and all(item in self.weights for item in inputs)
        )


def find_origin(path: str | Path, output: str) -> OutputOrigin:
    """Find the operators that an output originates from.

    Returns:
        The origin; its source is ``unknown`` behind a subgraph, an input or an operator that is
        not listed here.

    Raises:
        ModelFileError: Not a whole ONNX file.
    """
    graph = read_graph(path)
    path_back = graph.path_back(output, _SAME_VALUES)
    kinds = [kind for name in path_back if (kind := graph.maker(name)[0])]
    quantized, last = any(kind.startswith(_QUANTIZED) for kind in kinds), "".join(kinds[-1:])
    if made := _squashed_by(graph, path_back[-1]):
        return OutputOrigin(frozenset({made}), quantized=quantized, last=last)
    found = collect_sources(path_back[-1], lambda name: _trace(graph, name))
    return replace(found, quantized=quantized or found.quantized, last=last)


class Trace(NamedTuple):
    """A value on the way back from an output: its source, or the values that it is mixed of."""

    key: Hashable  # of the operator; each is looked at once
    source: Source | None = None
    inputs: Sequence[Any] = ()
    by_matrix: bool = False
    quantized: bool = False
    squares: bool = False


def collect_sources(output: Any, trace: Callable[[Any], Trace]) -> OutputOrigin:
    """Follow a value back through the operators that mix values, to the sources of its numbers.

    Args:
        output: The value, as ``trace`` takes it.
        trace: Takes a value one step back.

    Returns:
        The origin, without the last operator.
    """
    waiting, found = [output], dict[Hashable, Trace]()
    while waiting:
        step = trace(waiting.pop())
        if step.key not in found:
            found[step.key] = step
            waiting += step.inputs
    sources = frozenset(step.source for step in found.values() if step.source)
    return OutputOrigin(
        sources or frozenset({"unknown"}),
        mixed=bool(sources - {"linear", "cosine", "unknown"}),
        by_matrix=any(step.by_matrix for step in found.values()),
        quantized=any(step.quantized for step in found.values()),
        squares=any(step.squares for step in found.values()),
    )


def _trace(graph: Graph, name: str) -> Trace:
    """Take a value one step back."""
    kind, inputs = graph.maker(name)
    # A scale says nothing about the numbers that it scales.
    if graph.is_constant(name) or kind == "DynamicQuantizeLinear":
        return Trace(name)
    step = Trace(name, quantized=kind.startswith(_QUANTIZED))
    if made := _squashed_by(graph, name):
        return step._replace(source=made)
    if kind in _SQUARES or (kind == "Mul" and inputs[0] == inputs[-1]):
        return step._replace(source="unknown", squares=True)
    if kind in ("Add", "Sub") and _is_shifted_rectifier(graph, inputs):
        return step._replace(source="unknown")
    if kind in _SAME_VALUES or kind in _MIXING:
        return step._replace(inputs=inputs[:1] if kind in _SAME_VALUES else inputs)
    if kind in _MATRICES and _is_of_unit_vector(graph, inputs):
        return step._replace(source="cosine")
    if kind in _MATRICES and _is_of_softmax(graph, inputs):
        return step._replace(source="softmax", by_matrix=True)
    known = kind in {*_MATRICES, *_RECTIFYING, ""}
    added = inputs[2:] if kind == "Gemm" else []  # to the product
    return step._replace(source="linear" if known else "unknown", inputs=added)


def _is_shifted_rectifier(graph: Graph, inputs: list[str]) -> bool:
    """Return whether a constant is added to a rectified value, as evidential networks do."""
    moving = [name for name in inputs if not graph.is_constant(name)]
    return (
        len(moving) == 1
        and graph.maker(graph.path_back(moving[0], _SAME_VALUES)[-1])[0] in _RECTIFYING
    )


def _squashed_by(graph: Graph, name: str) -> Source | None:
    """Return the operator that squashed a value; the log of a softmax counts as log_softmax."""
    kind, inputs = graph.maker(name)
    if kind == "Log" and inputs and _sources_of_one(graph, inputs[0]) == "softmax":
        return "log_softmax"
    return _SQUASHING.get(kind)


def _is_of_softmax(graph: Graph, inputs: list[str]) -> bool:
    """Return whether a matrix is applied to a softmax, which groups its probabilities."""
    moving = [name for name in inputs if not graph.is_constant(name)]
    return len(moving) == 1 and _sources_of_one(graph, moving[0]) == "softmax"


def _is_of_unit_vector(graph: Graph, inputs: list[str]) -> bool:
    """Return whether a matrix is applied to a vector that was divided by its length."""
    kind, divided = graph.maker(graph.path_back(inputs[0], _SAME_VALUES)[-1])
    if kind == "Div":
        kind = graph.maker(
            graph.path_back(divided[-1], {*_SAME_VALUES, "Expand", "Max", "Add"})[-1]
        )[0]
    return kind in _UNIT_LENGTH


def _sources_of_one(graph: Graph, name: str) -> str:
    """Follow one value back to the operator that squashed it; empty if there is none."""
    return _SQUASHING.get(graph.maker(graph.path_back(name, _SAME_VALUES)[-1])[0], "")


def read_graph(path: str | Path) -> Graph:
    """Read which operator computes which value.

    Raises:
        ModelFileError: Not a whole ONNX file.
    """
    graph = Graph()
    with opened(path) as model:
        message = find_graph(model)
        graph.weights = {one.text(TENSOR_NAME) for one in message.messages(INITIALIZER)}
        # Files before IR version 4 list weights among the inputs too.
        graph.given = {one.text(INPUT_NAME) for one in message.messages(GRAPH_INPUT)}
        graph.given -= graph.weights
        for node in message.messages(NODE):
            kind, inputs, outputs = read_node(node)
            if fused := read_activation(node) if kind.startswith("Fused") else "":
                before = f"{outputs[0]} before {fused}"
                graph.makers[before], kind, inputs = (kind, inputs), fused, [before]
            graph.makers |= dict.fromkeys(outputs, (kind, inputs))
    return graph
