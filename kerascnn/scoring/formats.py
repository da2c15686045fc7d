"""The two forms of a part: JSON lines, as ``predict --json`` writes them, or Parquet.

Knows: how rows become the bytes of a file, and how its labels and errors are read back. Does not
know where the rows come from. pyarrow is imported where Parquet is asked for.
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
"""Bytes that are read at a time, of which one row may take all: it may list every class."""

_READ = ("path", "label", "error")
"""Columns that are read back."""


def default_format() -> str:
    """Return ``parquet`` where pyarrow is installed, else ``jsonl``."""
    return "parquet" if find_spec("pyarrow") else "jsonl"


def check_format(form: str) -> None:
    """Check that a format can be written here.

    Raises:
        MissingExtraError: pyarrow is needed and missing.
    """
    if form == "parquet":
        _pyarrow()


def encode(rows: list[Row], form: str) -> bytes:
    """Make the bytes of a part's file.

    Args:
        rows: One a picture.
        form: ``parquet`` (columns path, label, probability, top, error) or ``jsonl``.
    """
    if form == "jsonl":
        return _lines(rows)
    arrow, parquet = _pyarrow()
    schema, table = _schema(arrow), None
    if rows:
        # Arrow's own reader: from Python's objects it imports pandas, a second of every process.
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
    # ASCII: a file name need not be valid text.
    return "".join(json.dumps(row) + "\n" for row in rows).encode("ascii")


def _schema(arrow: Any) -> Any:
    probability = arrow.float32()  # as the network gave it
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
                    yield {name: row.get(name) for name in _READ}
        else:
            yield from _pyarrow()[1].read_table(path, columns=list(_READ)).to_pylist()
    except (OSError, ValueError, AttributeError) as error:  # ArrowInvalid is a ValueError
        raise ModelFileError(
            f"{path}: not a complete part ({error}). Delete it and run the command again."
        ) from error


def _as_text(row: Row) -> Row:
    """Return a row whose path Parquet can hold, which takes valid text only."""
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
