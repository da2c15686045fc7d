"""Finds the encoding of a list, and says what to do about files that are not text.

Knows: byte order marks, and what is often renamed to .csv. Does not know CSV.
"""

from __future__ import annotations

from pathlib import Path

from kerascnn.errors import DataError
from kerascnn.files import encoding_of

_NO_TEXT = {
    b"PK\3\4": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "Parquet",
}
"""Kinds of files by their first bytes."""

_EXPECTED = (
    "Expected CSV in UTF-8, or in UTF-16 with a byte order mark: save it in Excel as CSV UTF-8, or "
    "convert it, e.g. from Korean Windows: iconv -f CP949 -t UTF-8 OLD.csv > NEW.csv"
)


def text_encoding(file: Path) -> str:
    """Find the encoding of a list by its first bytes.

    Raises:
        DataError: It is no text.
    """
    with file.open("rb") as content:
        head = content.read(8)
    if kind := next((kind for start, kind in _NO_TEXT.items() if head.startswith(start)), None):
        raise DataError(f"{file}: is {kind}, despite its name. {_EXPECTED}")
    if len(head) > 1 and (head[0] == 0) != (head[1] == 0):  # the header is ASCII, so it is UTF-16
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return encoding_of(head)


def not_decodable(file: Path, error: UnicodeDecodeError) -> str:
    """Describe a list that is not in its encoding, with the line if it should be UTF-8."""
    name = error.encoding.upper()
    where = f"line {_first_line_not_utf8(file)}" if name == "UTF-8" else error.reason
    return f"{file}: not {name} ({where}). {_EXPECTED}"


def _first_line_not_utf8(file: Path) -> int:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return number
