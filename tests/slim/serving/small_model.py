"""A model that is written by hand, without the onnx package: its weights lie beside the file."""

import numpy as np


def field(number: int, value) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head, value = head + bytes([value & 127 | 128]), value >> 7
    return head + bytes([value])


def entry(key: str, value: str) -> bytes:
    return field(13, field(1, key) + field(2, value))


def value_info(name: str, *lengths) -> bytes:
    dims = b"".join(field(1, field(1, n) if isinstance(n, int) else field(2, n)) for n in lengths)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def node(kind: str, inputs: list[str], output: str) -> bytes:
    return field(1, b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, kind))


def write_model(path, weights: np.ndarray, location: str = "", operator: str = "MatMul") -> None:
    """Mean colors times a 3 x 3 matrix, or plus three numbers, which lie beside the file."""
    location = location or f"{path.name}.data"
    (path.parent / location).write_bytes(weights.astype("<f4").tobytes())
    tensor = (
        b"".join(field(1, n) for n in weights.shape) + field(2, 1) + field(8, "w") + field(14, 1)
    )
    tensor += (
        entry("location", location) + entry("offset", "0") + entry("length", str(4 * weights.size))
    )
    graph = node("GlobalAveragePool", ["x"], "mean") + node("Flatten", ["mean"], "flat")
    graph += node(operator, ["flat", "w"], "y") + field(2, "g") + field(5, tensor)
    graph += field(11, value_info("x", "n", 3, 16, 16)) + field(12, value_info("y", "n", 3))
    opset = field(8, field(1, "") + field(2, 17))
    path.write_bytes(field(1, 8) + opset + field(7, graph))
