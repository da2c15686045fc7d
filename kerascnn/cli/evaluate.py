"""``kerascnn evaluate``: parse, one call, print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import SOME_INPUTS_BAD, Command, console, print_json, quiet_tensorflow
from kerascnn.cli.foreign import foreign_options, said
from kerascnn.errors import ConfigError

if TYPE_CHECKING:
    from kerascnn.inference import Foreign
    from kerascnn.inference.metrics import Evaluation

_WIDEST_CONFUSION = 25
"""Classes; a larger matrix fits no screen and is left to --json."""


@click.command("evaluate", cls=Command)
@click.argument("model")
@click.argument("data", required=False)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which part of DATA.  [default: test, else val, else all]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as JSON.")
@foreign_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    model: str,
    data: str | None,
    split: str | None,
    as_json: bool,
    **foreign: Any,
) -> None:
    """Measure how good MODEL is: a run folder, its model.keras, or an exported .onnx file.

    DATA is what `kerascnn train` takes; for a run, its own data if none is given. An .onnx file
    is evaluated with onnxruntime alone, and may be any classifier of pictures.

    \b
    kerascnn evaluate runs/flowers
    kerascnn evaluate exported/flowers.onnx flowers/ --json
    kerascnn evaluate other.onnx flowers/ --labels names.txt --image-size 224 --normalize torch
    """
    evaluation = _evaluate(model, data, split, said(**foreign))
    if as_json:
        print_json(evaluation.to_dict())
    else:
        _show(evaluation)
    if evaluation.skipped:
        ctx.exit(SOME_INPUTS_BAD)


def _evaluate(
    model: str, data: str | None, split: str | None, foreign: Foreign | None
) -> Evaluation:
    if model.endswith(".onnx"):
        from kerascnn.inference import Classifier, evaluate_file

        with console(stderr=True).status("evaluating"):
            return evaluate_file(Classifier(model, foreign=foreign), data, split)
    if foreign:
        raise ConfigError(
            f"{model}: only an .onnx file made elsewhere is evaluated with --labels. Export a "
            "Keras file first: kerascnn export MODEL --onnx --labels FILE"
        )
    with quiet_tensorflow():
        from kerascnn.training.evaluation import evaluate_run
    with console(stderr=True).status("evaluating"):
        return evaluate_run(model, data, split)


def _show(evaluation: Evaluation) -> None:
    from rich.table import Table

    out = console()
    out.print(
        f"{evaluation.images:,} pictures (split {evaluation.split}): "
        f"top-1 {evaluation.top1:.2%}, top-5 {evaluation.top5:.2%}"
    )
    table = Table("class", box=None, pad_edge=False)
    for heading in ("precision", "recall", "F1", "pictures"):
        table.add_column(heading, justify="right")
    for score in evaluation.per_class:
        numbers = (f"{value:.2%}" for value in (score.precision, score.recall, score.f1))
        table.add_row(_plain(score.label), *numbers, f"{score.support:,}")
    out.print(table)
    if len(evaluation.per_class) <= _WIDEST_CONFUSION:
        out.print("\nconfusion (rows: true class, columns: answer)")
        out.print(_confusion(evaluation))
    if evaluation.skipped:
        out.print(f"{len(evaluation.skipped):,} pictures could not be read")


def _confusion(evaluation: Evaluation) -> object:
    from rich.table import Table

    table = Table("", "", box=None, pad_edge=False)
    for number in range(len(evaluation.confusion)):
        table.add_column(str(number), justify="right")
    for number, (score, row) in enumerate(
        zip(evaluation.per_class, evaluation.confusion, strict=True)
    ):
        table.add_row(str(number), _plain(score.label), *(f"{count:,}" for count in row))
    return table


def _plain(name: str) -> str:
    from rich.markup import escape

    return escape(name)
