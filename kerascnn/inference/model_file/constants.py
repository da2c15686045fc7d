"""Reads small constants of an ``.onnx`` graph, without the onnx package.

Knows: initializers, nodes ``Constant``, and how a TensorProto stores numbers. Does not know what
they are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn.inference.model_file.metadata import find_graph, opened
from kerascnn.inference.model_file.nodes import INITIALIZER, NODE, TENSOR_NAME, read_node
from kerascnn.inference.model_file.protobuf import Message

_FLOAT, _UINT8, _INT8, _FLOAT16, _DOUBLE = 1, 2, 3, 10, 11
"""Data types of a TensorProto."""

_ATTRIBUTE, _TENSOR = 5, 5
"""Field of NodeProto, and of AttributeProto."""

_DATA_TYPE, _FLOAT_DATA, _INT32_DATA, _RAW_DATA = 2, 4, 5, 9
"""Fields of TensorProto."""

_RAW = {_FLOAT: "<f4", _UINT8: "u1", _INT8: "i1", _FLOAT16: "<f2", _DOUBLE: "<f8"}
"""By type, numpy's dtype of a number in ``raw_data``, which is little-endian on every machine."""

_LARGEST = 4096
"""Bytes of the largest constant that is read."""

Numbers = npt.NDArray[np.float64]


def read_constants(path: str | Path, names: set[str]) -> dict[str, Numbers]:
    """Read constants by name; those that are large, or stored in another way, are left out.

    Raises:
        ModelFileError: Not a whole ONNX file.
    """
    found: dict[str, Numbers] = {}
    with opened(path) as model:
        graph = find_graph(model)
        for name, tensor in chain(initializers(graph), constant_nodes(graph)):
            if name in names and (numbers := _numbers(tensor)) is not None:
                found[name] = numbers
    return found


def initializers(graph: Message) -> Iterator[tuple[str, Message]]:
    """Yield the name of each initializer of a graph, and its TensorProto."""
    return ((tensor.text(TENSOR_NAME), tensor) for tensor in graph.messages(INITIALIZER))


def constant_nodes(graph: Message) -> Iterator[tuple[str, Message]]:
    """Yield the output of each node ``Constant``, and its TensorProto, empty for a plain number."""
    for node in graph.messages(NODE):
        kind, _, outputs = read_node(node)
        if kind == "Constant":
            yield "".join(outputs), node.message(_ATTRIBUTE).message(_TENSOR)


def _numbers(tensor: Message) -> Numbers | None:
    kind = tensor.number(_DATA_TYPE)
    if kind in (_UINT8, _INT8) and _INT32_DATA in tensor:
        # Negative numbers are encoded as 64-bit varints.
        whole = np.asarray(tensor.numbers(_INT32_DATA), np.uint64)
        return whole.astype(np.int64).astype(np.float64)
    part = _FLOAT_DATA if kind == _FLOAT and _RAW_DATA not in tensor else _RAW_DATA
    size, each = tensor.last(part).size, np.dtype(_RAW.get(kind, "u1")).itemsize
    if part not in tensor or kind not in _RAW or size > _LARGEST or size % each:
        return None
    return np.frombuffer(tensor.data(part), _RAW[kind]).astype(np.float64)
