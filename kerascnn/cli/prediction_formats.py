"""How `kerascnn predict` writes its answers, one per line.

Knows: the three formats. Does not know how answers are made.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import click

from kerascnn.cli.base import print_json
from kerascnn.printable import printable

Writer = Callable[[dict[str, Any]], None]


def writer(form: str) -> Writer:
    """Choose how rows are written on stdout.

    Args:
        form: ``table``, ``json`` (one object a line) or ``csv``.

    Returns:
        What writes one row.
    """
    make: dict[str, Callable[[], Writer]] = {"table": _table, "json": _json_lines, "csv": _csv}
    return make[form]()


def _json_lines() -> Writer:
    return lambda row: print_json(row, indent=None)


def _csv() -> Writer:
    click.echo("path,label,probability,error")

    def write(row: dict[str, Any]) -> None:
        line = io.StringIO()
        values = [row.get(key, "") for key in ("path", "label", "probability", "error")]
        csv.writer(line, lineterminator="").writerow(values)
        # A path with control characters is shown with escapes; --json has every path as it is.
        click.echo(printable(line.getvalue(), keep="\n\t"))

    return write


def _table() -> Writer:
    def write(row: dict[str, Any]) -> None:
        if "error" in row:
            click.echo(f"error: {printable(row['error'])}", err=True)
            return
        ranked = "  ".join(f"{top['label']} {top['probability']:.1%}" for top in row["top"])
        line = f"{row['path']}  {'unsure  ' if row['label'] is None else ''}{ranked}"
        click.echo(printable(line))

    return write
