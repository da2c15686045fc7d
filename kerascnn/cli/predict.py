"""``kerascnn predict``: parse, one call, print."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import click

from kerascnn.cli.base import SOME_INPUTS_BAD, Command
from kerascnn.errors import PictureError


@click.command("predict", cls=Command)
@click.argument("model")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--top-k", default=5, show_default=True, help="Classes to list for each picture.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="json: one JSON object a line.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--batch-size", default=32, show_default=True, help="Pictures a run of the network.")
@click.option(
    "--provider",
    type=click.Choice(["cpu"]),
    default="cpu",
    show_default=True,
    help="Where it runs.",
)
@click.option("--threads", type=int, help="Of one inference.  [default: the processors at hand]")
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    paths: tuple[str, ...],
    top_k: int,
    form: str,
    as_json: bool,
    batch_size: int,
    provider: str,
    threads: int | None,
) -> None:
    """Classify pictures with MODEL, a file that `kerascnn export` wrote.

    PATH is a picture, a folder, a glob, or - for one path a line on standard input. Pictures
    that cannot be read are reported, the rest goes on, and the exit code is 3.

    \b
    kerascnn predict exported/flowers.onnx rose.jpg garden/
    find . -name '*.jpg' | kerascnn predict exported/flowers.onnx - --json
    """
    from kerascnn.inference.classifier import Classifier
    from kerascnn.inference.inputs import expand, predict_paths

    classifier = Classifier(model, provider=provider, threads=threads)  # type: ignore[arg-type] # Click checked it
    write = _writer("json" if as_json else form)
    bad = 0
    found = expand(paths, sys.stdin)
    for path, answer in predict_paths(classifier, found, top_k, batch_size):
        row = {"error": str(answer)} if isinstance(answer, PictureError) else answer.to_dict()
        bad += "error" in row
        write({"path": path, **row})
    if bad:
        click.echo(f"{bad:,} of the pictures could not be read", err=True)
        ctx.exit(SOME_INPUTS_BAD)


Writer = Callable[[dict[str, Any]], None]


def _json_lines() -> Writer:
    return lambda row: click.echo(json.dumps(row, ensure_ascii=False))


def _csv() -> Writer:
    click.echo("path,label,probability,error")

    def write(row: dict[str, Any]) -> None:
        line = io.StringIO()
        values = [row.get(key, "") for key in ("path", "label", "probability", "error")]
        csv.writer(line, lineterminator="").writerow(values)
        click.echo(line.getvalue())

    return write


def _table() -> Writer:
    def write(row: dict[str, Any]) -> None:
        if "error" in row:
            click.echo(f"error: {row['error']}", err=True)
            return
        ranked = "  ".join(f"{top['label']} {top['probability']:.1%}" for top in row["top"])
        click.echo(f"{row['path']}  {ranked}")

    return write


def _writer(form: str) -> Writer:
    make: dict[str, Callable[[], Writer]] = {"table": _table, "json": _json_lines, "csv": _csv}
    return make[form]()
