"""Reads small constants of an ``.onnx`` graph, without the onnx package.

Knows: initializers, nodes ``Constant``, and how a TensorProto stores numbers. Does not know what
they are for.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from kerascnn.inference.model_file.metadata import find_graph, opened
from kerascnn.inference.model_file.nodes import INITIALIZER, NODE
from kerascnn.inference.model_file.protobuf import Span, fields, whole_numbers

_FLOAT, _UINT8, _INT8, _FLOAT16, _DOUBLE = 1, 2, 3, 10, 11
"""Data types of a TensorProto."""

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
    with opened(path) as (file, message):
        for part, value in fields(file, find_graph(file, message)):
            name, tensor = "", None
            if part == INITIALIZER:
                name, tensor = "".join(_texts(file, value, 8)), value
            elif part == NODE and _texts(file, value, 4) == ["Constant"]:
                name, tensor = "".join(_texts(file, value, 2)), _tensor_of(file, value)
            if name in names and tensor and (numbers := _numbers(file, tensor)) is not None:
                found[name] = numbers
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


def _numbers(file: BinaryIO, tensor: Span) -> Numbers | None:
    parts = dict(fields(file, tensor))
    kind = parts[_DATA_TYPE].number if _DATA_TYPE in parts else 0
    if kind in (_UINT8, _INT8) and _INT32_DATA in parts:
        # Negative numbers are encoded as 64-bit varints.
        whole = np.asarray(whole_numbers(file, parts[_INT32_DATA]), np.uint64)
        return whole.astype(np.int64).astype(np.float64)
    span = parts.get(_RAW_DATA) or (parts.get(_FLOAT_DATA) if kind == _FLOAT else None)
    size = span.end - span.start if span else 0
    if not span or kind not in _RAW or size > _LARGEST or size % np.dtype(_RAW[kind]).itemsize:
        return None
    return np.frombuffer(span.read(file), _RAW[kind]).astype(np.float64)
