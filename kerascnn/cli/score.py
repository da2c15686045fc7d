"""``kerascnn score``: parse, one call, print."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kerascnn.cli.base import SOME_INPUTS_BAD, Command, add_options, print_json, tell
from kerascnn.cli.declared_options import declared_option, grouped
from kerascnn.cli.foreign import HEADING, announce_sizing, foreign_options, pop_foreign
from kerascnn.cli.shared import numeric_options
from kerascnn.cli.shown_errors import INTERRUPTED, warning
from kerascnn.cli.streams import stdin_of_paths, unescaped
from kerascnn.language import count, tr
from kerascnn.language.messages import translated
from kerascnn.options import options_of
from kerascnn.scoring.request import PARTS, PREDICTIONS, RUNTIME, Request

_LOG_INTERVAL = 30.0
"""Interval of progress lines in a log, in seconds."""


@click.command(
    "score",
    cls=Command,
    groups=grouped(
        Request,
        {
            PARTS: ("out", "as_json"),
            PREDICTIONS: (),
            RUNTIME: ("provider", "arithmetic"),
            **HEADING,
        },
    ),
)
@click.argument("model")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--out", required=True, metavar="DIR", help="Folder of the plan and the parts.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@numeric_options
@add_options(*(declared_option(Request, name) for name in options_of(Request)))
@foreign_options
@click.pass_context
def command(ctx: click.Context, /, model: str, out: str, as_json: bool, **options: Any) -> None:
    """Classify very many pictures with MODEL, in parts, on one machine or many.

    The first run writes a plan into DIR: the PATHs (pictures, folders, globs, URIs such as
    s3://bucket/folder/, or - for a list on standard input), their sizes and the model's SHA-256.
    Each part is one file, written atomically. Running the command again scores the missing parts,
    and reports pictures that were added, changed or removed since. At the end, the command writes
    DIR/_summary.json.

    \b
    kerascnn score exported/flowers.onnx garden/ --out scores/
    kerascnn score exported/flowers.onnx s3://bucket/garden/ --out scores/ --on ray
    kerascnn score exported/flowers.onnx garden/ --out scores/ --parts 100 --part auto
    """
    from kerascnn.scoring import job

    foreign = pop_foreign(options)
    request = Request(model, Path(out), foreign=foreign, **options)
    try:
        work = job.prepare(request, stdin_of_paths(), announce_sizing)
        for notice in work.changes.notices():
            click.echo(warning(notice), err=True)
        with job.alone(work) as work:
            with _progress(work.pictures_to_do) as advance:
                failed = job.score_missing_parts(work, advance)
            summary = job.finish(work, failed)
    except KeyboardInterrupt:
        click.echo("\n" + tr("Stopped. Run the same command again to continue."), err=True)
        ctx.exit(INTERRUPTED)
    _report(failed, summary, as_json)
    # A single part with broken pictures succeeds, because a scheduler would retry it in vain.
    if failed or (summary and summary["failed"] and work.number is None):
        ctx.exit(SOME_INPUTS_BAD)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object]]:
    """Show the number of pictures done: a progress bar on a terminal, else lines at intervals."""
    if sys.stderr.isatty():
        stream = unescaped(sys.stderr)
        with click.progressbar(
            length=total, label=tr("pictures"), show_pos=True, file=stream
        ) as bar:
            yield bar.update
        return
    yield _lines(total)


def _lines(total: int) -> Callable[[int], object]:
    begun = logged = time.monotonic()
    done = 0

    def advance(pictures: int) -> None:
        nonlocal done, logged
        done, now = done + pictures, time.monotonic()
        if now - logged >= _LOG_INTERVAL:
            logged = now
            tell(
                "{done} of {pictures}, {speed}/s",
                done=f"{done:,}",
                pictures=count(total, "picture"),
                speed=f"{done / (now - begun):,.0f}",
                err=True,
            )

    return advance


def _report(failed: dict[int, str], summary: dict[str, Any] | None, as_json: bool) -> None:
    for number, why in sorted(failed.items()):
        part = tr("part {number}: {why}", number=number, why=translated(why))
        tell("error: {message}", message=part, err=True)
    if summary is None:
        return
    if as_json:
        print_json(summary)
        return
    tell(
        "{scored} of {pictures} scored, {failed} could not be read; missing: {missing} of {parts}",
        scored=f"{summary['scored']:,}",
        pictures=count(summary["pictures"], "picture"),
        failed=f"{summary['failed']:,}",
        missing=f"{len(summary['missing_parts']):,}",
        parts=count(summary["parts"], "part"),
    )
