"""Reads the parts of the protobuf wire format that ``.onnx`` files use.

See https://protobuf.dev/programming-guides/encoding/. Knows: tags, lengths, and that a message's
fields can be skipped without reading them. Does not know what the fields mean: see
:mod:`kerascnn.inference.model_file.metadata` and
:mod:`kerascnn.inference.model_file.output_origin`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Span:
    """Position of a field's value in the file; empty for integers, which are ``number``."""

    start: int
    end: int
    number: int = 0

    def read(self, file: BinaryIO) -> bytes:
        """Read the value."""
        file.seek(self.start)
        return file.read(self.end - self.start)


def fields(file: BinaryIO, message: Span) -> Iterator[tuple[int, Span]]:
    """Iterate over the fields of a message: field number, and span of the unread value.

    The file's position may change between two fields.

    Raises:
        ValueError: Not a message, or a truncated one.
        IndexError: The file ends within a field.
    """
    position = message.start
    while position < message.end:
        file.seek(position)
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("field 0 does not exist")
        value = _value(file, wire)
        position = value.end
        if position > message.end:
            raise ValueError("a field is longer than its message")
        yield number, value


def whole_numbers(file: BinaryIO, span: Span) -> list[int]:
    """Read one integer, or several in packed encoding, which proto3 uses."""
    if span.start == span.end:
        return [span.number]
    file.seek(span.start)
    numbers = []
    while file.tell() < span.end:
        numbers.append(_varint(file))
    return numbers


def _value(file: BinaryIO, wire: int) -> Span:
    if wire == _VARINT:
        number = _varint(file)
        return Span(file.tell(), file.tell(), number)
    if wire in (_FIXED64, _FIXED32):
        end = file.tell() + (8 if wire == _FIXED64 else 4)
        return Span(end, end)
    if wire == _BYTES:
        length = _varint(file)
        return Span(file.tell(), file.tell() + length)
    raise ValueError(f"wire type {wire} does not exist")


def _varint(file: BinaryIO) -> int:
    number = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)[0]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise ValueError("a number of more than 64 bits")
