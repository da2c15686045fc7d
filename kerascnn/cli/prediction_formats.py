"""Output formats of `kerascnn predict`, with one prediction per line.

Knows: the three formats. Does not know how predictions are made.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable
from itertools import groupby
from typing import Any

import click

from kerascnn.cli.base import json_text
from kerascnn.language import tr
from kerascnn.language.messages import translated
from kerascnn.printable import printable

Writer = Callable[[list[dict[str, Any]]], None]
"""Function that writes rows to stdout in one write: between two writes another thread would take
the interpreter lock, and getting it back takes longer than writing a line."""

_FORMULA = re.compile(r"[=@\t\r]|[+-](?=.)(?!(\d+\.?\d*|\.\d+)$)")
"""Start of a value that a spreadsheet evaluates as a formula; plain signed numbers are safe."""


def writer(form: str, ranks: int = 1) -> Writer:
    """Return the function that writes rows to stdout; CSV has columns for ``ranks`` classes."""
    if form == "csv":
        return _csv(ranks)
    return _json_lines if form == "json" else _table


def _json_lines(rows: list[dict[str, Any]]) -> None:
    click.echo("\n".join(json_text(row, indent=None) for row in rows))


def _csv(ranks: int) -> Writer:
    others = range(2, ranks + 1)
    names = [f"{name}_{rank}" for rank in others for name in ("label", "probability")]
    click.echo(",".join(["path", "label", "probability", *names, "error"]))

    def values(row: dict[str, Any]) -> list[Any]:
        top = row.get("top", [])
        ranked = [top[rank - 1] if rank <= len(top) else {} for rank in others]
        more = [one.get(name, "") for one in ranked for name in ("label", "probability")]
        # A prefix of ./ does not change the path.
        path = _as_text(row.get("path", ""), f".{os.sep}")
        first = [row.get(key, "") for key in ("label", "probability")]
        return [path, *map(_as_text, (*first, *more, row.get("error", "")))]

    def write(rows: list[dict[str, Any]]) -> None:
        lines = io.StringIO()
        # Line breaks in a value are quoted if they equal the line terminator. Control characters
        # in paths are escaped; --json has every path unchanged.
        csv.writer(lines, lineterminator="\n").writerows(map(values, rows))
        click.echo(printable(lines.getvalue(), keep="\n\t"), nl=False)

    return write


def _as_text(value: Any, mark: str = "'") -> Any:
    """Prefix a value that a spreadsheet would evaluate as a formula."""
    return f"{mark}{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _table(rows: list[dict[str, Any]]) -> None:
    for bad, alike in groupby(rows, lambda row: "error" in row):
        click.echo("\n".join(printable(_line(row)) for row in alike), err=bad)


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return tr("error: {message}", message=translated(row["error"]))
    ranked = "  ".join(f"{top['label']} {top['probability']:.1%}" for top in row["top"])
    unsure = f"{tr('unsure')}  " if row["label"] is None else ""
    return f"{row['path']}  {unsure}{ranked}"
