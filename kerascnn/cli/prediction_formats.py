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
from kerascnn.language import tr
from kerascnn.language.messages import translated
from kerascnn.printable import printable

Writer = Callable[[dict[str, Any]], None]


def writer(form: str, ranks: int = 1) -> Writer:
    """Choose how rows are written on stdout.

    Args:
        form: ``table``, ``json`` (one object a line) or ``csv``.
        ranks: Classes of a picture that have columns in CSV; the others list all there are.
    """
    if form == "csv":
        return _csv(ranks)
    return _json_lines() if form == "json" else _table()


def _json_lines() -> Writer:
    return lambda row: print_json(row, indent=None)


def _csv(ranks: int) -> Writer:
    others = range(2, ranks + 1)
    names = [f"{name}_{rank}" for rank in others for name in ("label", "probability")]
    click.echo(",".join(["path", "label", "probability", *names, "error"]))

    def write(row: dict[str, Any]) -> None:
        line, top = io.StringIO(), row.get("top", [])
        ranked = [top[rank - 1] if rank <= len(top) else {} for rank in others]
        more = [one.get(name, "") for one in ranked for name in ("label", "probability")]
        first = [row.get(key, "") for key in ("path", "label", "probability")]
        values = [*first, *more, row.get("error", "")]
        # A line end in a value is put in quotes where it is the writer's own. A path with control
        # characters is shown with escapes; --json has every path as it is.
        csv.writer(line, lineterminator="\n").writerow(values)
        click.echo(printable(line.getvalue(), keep="\n\t"), nl=False)

    return write


def _table() -> Writer:
    def write(row: dict[str, Any]) -> None:
        if "error" in row:
            said = tr("error: {message}", message=translated(row["error"]))
            click.echo(printable(said), err=True)
            return
        unsure = f"{tr('unsure')}  "
        ranked = "  ".join(f"{top['label']} {top['probability']:.1%}" for top in row["top"])
        line = f"{row['path']}  {unsure if row['label'] is None else ''}{ranked}"
        click.echo(printable(line))

    return write
