"""Reading the card out of an ``.onnx`` file without the onnx package.

Knows: as much of the protobuf wire format (https://protobuf.dev/programming-guides/encoding/)
and of ModelProto as it takes to find ``metadata_props``. Does not know graphs: they are
skipped, so this is quick for a file of any size.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kerascnn.card import METADATA_KEY, ModelCard
from kerascnn.errors import ModelFileError

_GRAPH, _METADATA_PROPS = 7, 14
"""Fields of ModelProto; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_card(path: str | Path) -> ModelCard:
    """Read the card of an exported file.

    Args:
        path: Of the ``.onnx`` file.

    Returns:
        The card.

    Raises:
        ModelFileError: No such file, not an ONNX file, or one without a card.
    """
    metadata = read_metadata(path)
    if METADATA_KEY not in metadata:
        raise ModelFileError(
            f"{path}: an ONNX file, but not one that kerascnn exported: it has no card with class "
            "names and preprocessing. Expected a file written by kerascnn export."
        )
    return ModelCard.from_json(metadata[METADATA_KEY], str(path))


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read ``metadata_props`` of an ``.onnx`` file.

    Args:
        path: Of the file.

    Returns:
        Keys and values.

    Raises:
        ModelFileError: No such file, or not a whole ONNX file.
    """
    broken = f"{path}: not an ONNX file, or a truncated one. Export or copy it again."
    try:
        with Path(path).open("rb") as file:
            end = file.seek(0, 2)
            file.seek(0)
            found, metadata = set(), {}
            for field, value in _fields(file, end, skip=frozenset({_GRAPH})):
                found.add(field)
                if field == _METADATA_PROPS:
                    key, text = _entry(value)
                    metadata[key] = text
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file.") from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot read it ({error.strerror or error}).") from error
    except (ValueError, IndexError) as error:
        raise ModelFileError(broken) from error
    if _GRAPH not in found:
        raise ModelFileError(broken)
    return metadata


def _entry(message: bytes) -> tuple[str, str]:
    """Read a StringStringEntryProto: field 1 is the key, field 2 the value."""
    parts = dict(_fields(io.BytesIO(message), len(message)))
    return parts.get(1, b"").decode(), parts.get(2, b"").decode()


def _fields(
    file: BinaryIO, end: int, skip: frozenset[int] = frozenset()
) -> Iterator[tuple[int, bytes]]:
    """Walk through the fields of a message; only those of bytes have a value."""
    while file.tell() < end:
        tag = _varint(file)
        field, wire = tag >> 3, tag & 7
        value = b""
        if wire == _VARINT:
            _varint(file)
        elif wire in (_FIXED64, _FIXED32):
            file.seek(8 if wire == _FIXED64 else 4, 1)
        elif wire == _BYTES:
            length = _varint(file)
            if file.tell() + length > end:
                raise ValueError("a field is longer than the file")
            if field in skip:
                file.seek(length, 1)
            else:
                value = file.read(length)
        else:
            raise ValueError(f"wire type {wire} does not exist")
        if field == 0:
            raise ValueError("field 0 does not exist")
        yield field, value


def _varint(file: BinaryIO) -> int:
    number = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)[0]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise ValueError("a number of more than 64 bits")
