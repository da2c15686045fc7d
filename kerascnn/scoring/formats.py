"""The two formats of a part: JSON lines, as in ``predict --json``, or Parquet.

Knows: how rows are encoded, and how labels and errors are read back. Does not know where rows come
from. pyarrow is imported only for Parquet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, cast

from kerascnn.errors import ModelFileError, needs_extra

Row: TypeAlias = dict[str, Any]
"""``path``, and either ``label``, ``probability`` and ``top``, or ``error``."""

FORMATS = ("parquet", "jsonl")

_BLOCK = 64 << 20
"""Bytes that Arrow reads at a time, the limit of a row, which may list every class."""

_COLUMNS = ("path", "label", "error")
"""Columns to read back."""


def default_format() -> str:
    """Return ``parquet`` if pyarrow is installed, else ``jsonl``."""
    return "parquet" if find_spec("pyarrow") else "jsonl"


def check_format(form: str) -> None:
    """Check that a format can be written here.

    Raises:
        MissingExtraError: pyarrow is needed but not installed.
    """
    if form == "parquet":
        _pyarrow()


def encode(rows: list[Row], form: str) -> bytes:
    """Encode one row per picture as the file of a part."""
    if form == "jsonl":
        return _lines(rows)
    arrow, parquet = _pyarrow()
    schema, table = _schema(arrow), None
    if rows:
        # Through JSON, because Arrow imports pandas to convert Python objects, which takes a
        # second in every process.
        source = arrow.BufferReader(_lines([_as_text(row) for row in rows]))
        table = arrow.json.read_json(
            source,
            arrow.json.ReadOptions(use_threads=False, block_size=_BLOCK),
            arrow.json.ParseOptions(explicit_schema=schema),
        )
    sink = arrow.BufferOutputStream()
    parquet.write_table(schema.empty_table() if table is None else table, sink)
    return cast(bytes, sink.getvalue().to_pybytes())


def _lines(rows: list[Row]) -> bytes:
    # ASCII, because a file name need not be valid text.
    return "".join(json.dumps(row) + "\n" for row in rows).encode("ascii")


def _schema(arrow: Any) -> Any:
    probability = arrow.float32()  # the network's precision
    ranked = arrow.struct([("label", arrow.string()), ("probability", probability)])
    return arrow.schema(
        [
            ("path", arrow.string()),
            ("label", arrow.string()),
            ("probability", probability),
            ("top", arrow.list_(ranked)),
            ("error", arrow.string()),
        ]
    )


def read_back(path: Path) -> Iterator[Row]:
    """Read the rows of a part, without probabilities.

    Raises:
        ModelFileError: It is damaged.
    """
    try:
        if path.suffix == ".jsonl":
            with path.open("rb") as lines:
                for line in lines:
                    row = json.loads(line)
                    yield {name: row.get(name) for name in _COLUMNS}
        else:
            yield from _pyarrow()[1].read_table(path, columns=list(_COLUMNS)).to_pylist()
    except (OSError, ValueError, AttributeError) as error:  # ArrowInvalid is a ValueError
        raise ModelFileError(
            f"{path}: not a complete part ({error}). Delete it and run the command again."
        ) from error


def _as_text(row: Row) -> Row:
    """Return a row with path and error as valid text, which Parquet requires."""
    texts = {name: row[name] for name in ("path", "error") if row.get(name)}
    return row | {
        name: text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for name, text in texts.items()
    }


def _pyarrow() -> tuple[Any, Any]:
    with needs_extra("ray", "to write Parquet (`format` jsonl needs nothing)"):
        import pyarrow
        import pyarrow.json
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet
