"""Reads all that an ``.onnx`` file says about itself, without the onnx package.

Knows: the fields of ModelProto for a graph's origin, inputs and outputs. Does not know how a graph
is run or what its outputs mean.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from kerascnn.card import METADATA_KEY, ModelCard
from kerascnn.inference.model_file.metadata import opened, read_entry
from kerascnn.inference.model_file.nodes import GRAPH_INPUT, INITIALIZER, NODE
from kerascnn.inference.model_file.protobuf import Span, fields, whole_numbers

_MODEL_TEXT = {2: "producer", 3: "producer_version", 4: "domain", 6: "doc"}
_IR_VERSION, _MODEL_VERSION, _GRAPH, _OPSET, _METADATA = 1, 5, 7, 8, 14
"""Fields of ModelProto; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

_GRAPH_NAME, _GRAPH_DOC, _OUTPUT = 2, 10, 12
"""Further fields of GraphProto."""

_TYPES = (
    *("undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string"),
    *("bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
)
"""Names of ``TensorProto.DataType`` by number; newer types are shown as numbers."""


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
        weights: Number of parameters.
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
    found = Description(str(path))
    with opened(path) as (file, message):
        found.bytes = message.end
        texts = _read_model(file, message, found)
    found.producer = " ".join(filter(None, (texts.get("producer"), texts.get("producer_version"))))
    found.doc = "\n".join(filter(None, (texts.get("domain"), texts.get("doc"), found.doc)))
    if METADATA_KEY in found.metadata:
        found.card = ModelCard.from_json(found.metadata.pop(METADATA_KEY), str(path))
    return found


def _read_model(file: BinaryIO, message: Span, found: Description) -> dict[str, str]:
    """Read the fields of a ModelProto into a description, and return its texts by name."""
    texts: dict[str, str] = {}
    has_graph = False
    for part, value in fields(file, message):
        if part in _MODEL_TEXT:
            texts[_MODEL_TEXT[part]] = _text(file, value)
        elif part == _METADATA:
            key, text = read_entry(file, value)
            found.metadata[key] = text
        elif part == _OPSET:
            found.opsets |= _opset(file, value)
        elif part == _IR_VERSION:
            found.ir_version = value.number
        elif part == _MODEL_VERSION:
            found.model_version = value.number
        elif part == _GRAPH:
            has_graph = True
            _read_graph(file, value, found)
    if not has_graph:
        raise ValueError("no graph")
    return texts


def _read_graph(file: BinaryIO, graph: Span, found: Description) -> None:
    operators: Counter[str] = Counter()
    inputs: list[TensorInfo] = []
    weights: set[str] = set()
    for part, value in fields(file, graph):
        if part == NODE:
            operators[_field_text(file, value, 4)] += 1
        elif part == INITIALIZER:
            name, count = _tensor(file, value)
            weights.add(name)
            found.weights += count
        elif part == GRAPH_INPUT:
            inputs.append(_tensor_info(file, value))
        elif part == _OUTPUT:
            found.outputs.append(_tensor_info(file, value))
        elif part == _GRAPH_NAME:
            found.graph = _text(file, value)
        elif part == _GRAPH_DOC:
            found.doc = _text(file, value)
    # Files before IR version 4 list their weights among the inputs too.
    found.inputs = [end for end in inputs if end.name not in weights]
    found.operators = dict(operators.most_common())


def _tensor_info(file: BinaryIO, info: Span) -> TensorInfo:
    """Read a ValueInfoProto: field 1 is its name, 2 its type, whose field 1 is a tensor type."""
    name, kind = "", "undefined"
    shape: tuple[int | str | None, ...] = ()
    for part, value in fields(file, info):
        if part == 1:
            name = _text(file, value)
        elif part == 2:
            kinds = {1: "", 4: "sequence", 5: "map", 8: "sparse", 9: "optional"}
            for which, inner in fields(file, value):
                kind = kinds.get(which, kind)
                if which == 1:
                    kind, shape = _tensor_type(file, inner)
    return TensorInfo(name, kind, shape)


def _tensor_type(file: BinaryIO, span: Span) -> tuple[str, tuple[int | str | None, ...]]:
    kind = "undefined"
    shape: tuple[int | str | None, ...] = ()
    for part, value in fields(file, span):
        if part == 1:
            kind = _TYPES[value.number] if value.number < len(_TYPES) else f"type {value.number}"
        elif part == 2:
            shape = tuple(_side(file, one) for which, one in fields(file, value) if which == 1)
    return kind, shape


def _side(file: BinaryIO, span: Span) -> int | str | None:
    """Read a Dimension: field 1 is its size, or field 2 its name."""
    for part, value in fields(file, span):
        if part == 1:
            # Negative numbers, which some exporters write for a dynamic size, are read as unsigned.
            return value.number if value.number < 1 << 63 else None
        if part == 2:
            return _text(file, value) or None
    return None


def _tensor(file: BinaryIO, span: Span) -> tuple[str, int]:
    """Read the name and the number of elements of a TensorProto."""
    name, count = "", 1
    for part, value in fields(file, span):
        if part == 1:
            for size in whole_numbers(file, value):
                count *= size
        elif part == 8:
            name = _text(file, value)
    return name, count


def _opset(file: BinaryIO, span: Span) -> dict[str, int]:
    parts = dict(fields(file, span))
    domain = _text(file, parts[1]) if 1 in parts else ""
    return {domain or "ai.onnx": parts[2].number if 2 in parts else 0}


def _field_text(file: BinaryIO, message: Span, wanted: int) -> str:
    for part, value in fields(file, message):
        if part == wanted:
            return _text(file, value)
    return ""


def _text(file: BinaryIO, span: Span) -> str:
    return span.read(file).decode(errors="replace")
