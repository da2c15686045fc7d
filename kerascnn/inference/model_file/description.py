"""Reads all that an ``.onnx`` file says about itself, without the onnx package.

Knows: the fields of ModelProto for a graph's origin, inputs and outputs. Does not know how a graph
is run or what its outputs mean.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerascnn.card import METADATA_KEY, ModelCard
from kerascnn.inference.model_file.constants import constant_nodes, initializers
from kerascnn.inference.model_file.metadata import find_graph, opened, read_entry
from kerascnn.inference.model_file.nodes import (
    GRAPH_INPUT,
    INPUT_NAME,
    NODE,
    read_node,
)
from kerascnn.inference.model_file.protobuf import Message

_PRODUCER, _DOC = (2, 3), (4, 6)
"""Texts of ModelProto: producer and its version; domain and documentation."""

_IR_VERSION, _MODEL_VERSION, _OPSET, _METADATA = 1, 5, 8, 14
"""Further fields of ModelProto; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

_GRAPH_NAME, _GRAPH_DOC, _OUTPUT = 2, 10, 12
"""Further fields of GraphProto."""

_TYPES = (
    *("undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string"),
    *("bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
)
"""Names of ``TensorProto.DataType`` by number; newer types are shown as numbers."""

_NO_TENSORS = {4: "sequence", 5: "map", 8: "sparse", 9: "optional"}
"""Other kinds of values, by their fields of TypeProto."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a graph."""

    name: str
    type: str  # element type, as named by numpy; `sequence`, `map` or the like if not a tensor
    # sizes; names of dynamic axes, or None for those without a name
    shape: tuple[int | str | None, ...] = ()


@dataclass
class Description:
    """What a file says about itself.

    Attributes:
        path: Path of the file.
        bytes: Size of the file.
        card: Its model card; None if kerascnn did not export it.
        inputs: Inputs of the graph, without its weights.
        outputs: Outputs of the graph.
        opsets: Operator set versions by domain; ``ai.onnx`` is ONNX's own.
        ir_version: IR version of the file format.
        producer: Program that wrote the file, and its version.
        graph: Name of the graph.
        doc: Documentation strings.
        model_version: Version given by the producer.
        operators: Number of nodes by operator, most common first, without subgraphs.
        weights: Number of parameters and other constants.
        metadata: Metadata properties, without the card.
    """

    path: str
    bytes: int = 0
    card: ModelCard | None = None
    inputs: list[TensorInfo] = field(default_factory=list)
    outputs: list[TensorInfo] = field(default_factory=list)
    opsets: dict[str, int] = field(default_factory=dict)
    ir_version: int = 0
    producer: str = ""
    graph: str = ""
    doc: str = ""
    model_version: int = 0
    operators: dict[str, int] = field(default_factory=dict)
    weights: int = 0
    metadata: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"card": self.card.to_dict() if self.card else None}


def describe(path: str | Path) -> Description:
    """Read all that a file says about itself.

    Raises:
        ModelFileError: No such file, not a whole ONNX file, or a card that is not valid.
    """
    with opened(path) as model:
        found = _described(path, model, find_graph(model))
    if METADATA_KEY in found.metadata:
        found.card = ModelCard.from_json(found.metadata.pop(METADATA_KEY), str(path))
    return found


def _described(path: str | Path, model: Message, graph: Message) -> Description:
    weights = {name: math.prod(one.numbers(1)) for name, one in initializers(graph)}
    # Where PaddlePaddle's exporter puts all weights.
    constants = sum(math.prod(one.numbers(1)) for _, one in constant_nodes(graph))
    inputs = map(_tensor_info, graph.messages(GRAPH_INPUT))
    operators = Counter(read_node(node)[0] for node in graph.messages(NODE))
    opsets = model.messages(_OPSET)
    return Description(
        str(path),
        bytes=model.span.end,
        # Files before IR version 4 list their weights among the inputs too.
        inputs=[end for end in inputs if end.name not in weights],
        outputs=[*map(_tensor_info, graph.messages(_OUTPUT))],
        opsets={one.text(1) or "ai.onnx": one.number(2) for one in opsets},
        ir_version=model.number(_IR_VERSION),
        producer=" ".join(filter(None, map(model.text, _PRODUCER))),
        graph=graph.text(_GRAPH_NAME),
        doc="\n".join(filter(None, (*map(model.text, _DOC), graph.text(_GRAPH_DOC)))),
        model_version=model.number(_MODEL_VERSION),
        operators=dict(operators.most_common()),
        weights=sum(weights.values()) + constants,
        metadata=dict(map(read_entry, model.messages(_METADATA))),
    )


def _tensor_info(info: Message) -> TensorInfo:
    """Read a ValueInfoProto: field 1 is its name, 2 its type, whose field 1 is a tensor type."""
    name, kind = info.text(INPUT_NAME), info.message(2)
    for which, other in _NO_TENSORS.items():
        if which in kind:
            return TensorInfo(name, other)
    tensor = kind.message(1)
    number, sides = tensor.number(1), tensor.message(2).messages(1)
    type_ = _TYPES[number] if number < len(_TYPES) else f"type {number}"
    return TensorInfo(name, type_, tuple(map(_side, sides)))


def _side(side: Message) -> int | str | None:
    """Read a Dimension: field 1 is its size, or field 2 its name."""
    if 1 not in side:
        return side.text(2) or None
    # Negative numbers, which some exporters write for a dynamic size, are read as unsigned.
    size = side.number(1)
    return size if size < 1 << 63 else None
