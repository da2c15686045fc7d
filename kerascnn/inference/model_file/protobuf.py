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

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.start

    def read(self, file: BinaryIO) -> bytes:
        """Read the value."""
        file.seek(self.start)
        return file.read(self.size)


_NOTHING = Span(0, 0)


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


class Message:
    """A message whose fields are found, but not read; if one should occur once, the last counts.

    Raises:
        ValueError: Not a message, or a truncated one.
        IndexError: The file ends within a field.
    """

    def __init__(self, file: BinaryIO, span: Span) -> None:
        self._file, self.span = file, span
        self._found: dict[int, list[Span]] = {}
        for field, value in fields(file, span):
            self._found.setdefault(field, []).append(value)

    def __contains__(self, field: int) -> bool:
        return field in self._found

    def spans(self, field: int) -> list[Span]:
        """List the positions of a field's values."""
        return self._found.get(field, [])

    def last(self, field: int) -> Span:
        """Return the position of a field's value; an empty one if it is missing."""
        return self._found.get(field, [_NOTHING])[-1]

    def number(self, field: int) -> int:
        """Return an integer; 0 if it is missing."""
        return self.last(field).number

    def numbers(self, field: int) -> list[int]:
        """Read integers: single ones, or several in packed encoding, which proto3 uses."""
        return [one for span in self.spans(field) for one in _whole_numbers(self._file, span)]

    def data(self, field: int) -> bytes:
        """Read bytes; empty if they are missing."""
        return self.last(field).read(self._file)

    def text(self, field: int) -> str:
        """Read a text; empty if it is missing."""
        return self.data(field).decode(errors="replace")

    def texts(self, field: int) -> list[str]:
        """Read all texts of a field."""
        return [span.read(self._file).decode(errors="replace") for span in self.spans(field)]

    def message(self, field: int) -> Message:
        """Return a message inside this one; one without fields if it is missing."""
        return Message(self._file, self.last(field))

    def messages(self, field: int) -> Iterator[Message]:
        """Iterate over the messages of a field."""
        return (Message(self._file, span) for span in self.spans(field))


def _whole_numbers(file: BinaryIO, span: Span) -> list[int]:
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
