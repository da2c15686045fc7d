"""``kerascnn predict``: parse, one call, print."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kerascnn.cli.base import SOME_INPUTS_BAD, Command, add_options, tell
from kerascnn.cli.declared_options import converted_option
from kerascnn.cli.foreign import HEADING, announce_sizing, foreign_options, pop_foreign
from kerascnn.cli.shared import RUNTIME, announce, download_models, provider_options
from kerascnn.cli.streams import stdin_of_paths
from kerascnn.errors import ConfigError
from kerascnn.scoring.request import Request

if TYPE_CHECKING:
    from kerascnn.inference import Classifier


@click.command(
    "predict",
    cls=Command,
    groups={
        "Predictions": ("top_k", "min_probability", "form", "as_json"),
        "Many pictures": ("resume", "batch_size"),
        "Runtime": RUNTIME,
        **HEADING,
    },
)
@click.argument("model", callback=download_models)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@add_options(
    converted_option(
        Request,
        "top_k",
        help="Classes to list for each picture; CSV lists one unless this is given.  [default: 5]",
    ),
    converted_option(
        Request,
        "min_probability",
        help="Give no label below this probability: null in JSON, empty in CSV, unsure in the "
        "table.",
    ),
    converted_option(Request, "batch_size"),
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    help="json: one JSON object per line (JSON Lines).",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--resume",
    metavar="FILE",
    help="Output of an earlier run with --json, complete or not: its pictures are skipped, except "
    "those that could not be read. Append to it with >>.",
)
@provider_options
@foreign_options
@click.pass_context
def command(ctx: click.Context, /, model: str, form: str, as_json: bool, **options: Any) -> None:
    """Classify pictures with MODEL, a file that `kerascnn export` wrote, or any other .onnx.

    PATH is a picture, a folder, a glob, or - for one path per line on standard input. Any number
    of pictures is processed a few at a time, in order. Those that cannot be read are reported,
    the others are classified, and the exit code is 3.

    \b
    kerascnn predict exported/flowers.onnx rose.jpg garden/
    find . -name '*.jpg' | kerascnn predict exported/flowers.onnx - --json
    kerascnn predict exported/flowers.onnx garden/ --json --resume all.jsonl >> all.jsonl
    kerascnn predict other.onnx rose.jpg --labels names.txt --image-size 224 --normalize torch
    """
    from kerascnn.cli.prediction_formats import writer
    from kerascnn.inference.paths import predict_batches
    from kerascnn.inference.prediction import to_row

    form = "json" if as_json else form
    if options["resume"] and form != "json":
        raise ConfigError("--resume continues JSON lines. Add --json.")
    classifier = _open(model, options)
    paths = _paths(classifier, options["paths"], options["resume"])
    asked = {name: options[name] for name in ("top_k", "batch_size", "min_probability")}
    typed = ctx.get_parameter_source("top_k") != ParameterSource.DEFAULT
    ranks = min(options["top_k"], len(classifier.card.classes)) if typed else 1
    write, bad = writer(form, ranks), 0
    for batch in predict_batches(classifier, paths, **asked):
        rows = [to_row(path, answer) for path, answer in batch]
        bad += sum("error" in row for row in rows)
        write(rows)
    if bad:
        tell("{count} of the pictures could not be read", count=f"{bad:,}", err=True)
        ctx.exit(SOME_INPUTS_BAD)


def _open(model: str, options: dict[str, Any]) -> Classifier:
    from kerascnn.inference import Classifier
    from kerascnn.inference.model_file.foreign import MADE_ELSEWHERE

    runtime = {name: options[name] for name in RUNTIME}
    classifier = Classifier(model, foreign=pop_foreign(options), **runtime)
    announce(classifier)
    if classifier.card.network == MADE_ELSEWHERE:
        announce_sizing(classifier.card)
    return classifier


def _paths(classifier: Classifier, patterns: tuple[str, ...], resume: str | None) -> Iterator[str]:
    from kerascnn.inference.paths import expand
    from kerascnn.inference.resume import read_previous, repair

    paths = expand(patterns, stdin_of_paths())
    if not resume:
        return paths
    earlier = read_previous(resume, classifier.classes)
    with suppress(OSError):  # a stream in memory, as in tests, has no descriptor
        repair(earlier, sys.stdout.fileno())
    tell(
        "pictures that already have a prediction in {resume}: {count}",
        count=f"{len(earlier.answered):,}",
        resume=resume,
        err=True,
    )
    return (path for path in paths if path not in earlier.answered)
