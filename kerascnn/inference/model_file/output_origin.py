"""Traces an output of an ``.onnx`` graph to the operators that compute it, without onnx.

Knows: the parts of GraphProto needed to follow an output back, and which operators pass values on,
mix them or squash them. Skips weights.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

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
    found = _sources(graph, path_back[-1])
    return replace(
        found,
        sources=found.sources or frozenset({"unknown"}),
        mixed=bool(found.sources - {"linear", "cosine", "unknown"}),
        quantized=quantized or found.quantized,
        last=last,
    )


def _sources(graph: Graph, output: str) -> OutputOrigin:
    """Collect the sources of the numbers that are mixed in a value."""
    sources: set[Source] = set()
    by_matrix = quantized = squares = False
    waiting, seen = [output], set()
    while waiting:
        name = waiting.pop()
        if name in seen or graph.is_constant(name):
            continue
        seen.add(name)
        kind, inputs = graph.maker(name)
        quantized |= kind.startswith(_QUANTIZED)
        if kind == "DynamicQuantizeLinear":
            continue  # a scale, which says nothing about the numbers that it scales
        if made := _squashed_by(graph, name):
            sources.add(made)
        elif kind in _SAME_VALUES:
            waiting += inputs[:1]
        elif kind in _SQUARES or (kind == "Mul" and inputs[0] == inputs[-1]):
            squares = True
            sources.add("unknown")
        elif kind in ("Add", "Sub") and _is_shifted_rectifier(graph, inputs):
            sources.add("unknown")
        elif kind in _MIXING:
            waiting += inputs
        elif kind in _MATRICES and _is_of_unit_vector(graph, inputs):
            sources.add("cosine")
        elif kind in _MATRICES and _is_of_softmax(graph, inputs):
            sources.add("softmax")
            by_matrix = True
        else:
            waiting += inputs[2:] if kind == "Gemm" else []  # what is added to the product
            sources.add("linear" if kind in {*_MATRICES, *_RECTIFYING, ""} else "unknown")
    return OutputOrigin(
        frozenset(sources), by_matrix=by_matrix, quantized=quantized, squares=squares
    )


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
