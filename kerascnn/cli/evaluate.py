"""``kerascnn evaluate``: parse, one call, print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import SOME_INPUTS_BAD, Command, console, print_json, quiet_tensorflow
from kerascnn.cli.foreign import foreign_options, said
from kerascnn.cli.scores import show_comparison, show_evaluation
from kerascnn.errors import ConfigError

if TYPE_CHECKING:
    from kerascnn.inference import Foreign
    from kerascnn.inference.answers import Answers


@click.command("evaluate", cls=Command)
@click.argument("model")
@click.argument("data", required=False)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which part of DATA.  [default: test, else val, else all]",
)
@click.option(
    "--compare",
    metavar="FILE",
    help="A second model, on the same pictures: which answers differ, and whether one is better.",
)
@click.option("--curves", is_flag=True, help="With --json: each class's ROC and precision-recall.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@foreign_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    model: str,
    data: str | None,
    split: str | None,
    compare: str | None,
    curves: bool,
    as_json: bool,
    **foreign: Any,
) -> None:
    """Measure how good MODEL is: a run folder, its model.keras, or an exported .onnx file.

    DATA is what `kerascnn train` takes; for a run, its own data if none is given. An .onnx file
    is evaluated with onnxruntime alone.

    \b
    kerascnn evaluate runs/flowers
    kerascnn evaluate exported/flowers.onnx flowers/ --json
    kerascnn evaluate exported/flowers.onnx flowers/ --compare exported/flowers-int8.onnx
    kerascnn evaluate other.onnx flowers/ --labels names.txt --image-size 224 --normalize torch
    """
    if curves and (compare or not as_json):
        raise click.UsageError("--curves is for --json, of one model.")
    spoken = said(**foreign)
    answers = _answers(model, data, split, spoken)
    if compare:
        from kerascnn.inference.comparison import compare_answers

        others = _answers(compare, data, split, _if_silent(compare, spoken))
        comparison = compare_answers(answers, others, model, compare)
        if as_json:
            print_json(comparison.to_dict())
        else:
            show_comparison(comparison)
    else:
        from kerascnn.inference.metrics import evaluate_answers

        evaluation = evaluate_answers(answers)
        if as_json:
            print_json(evaluation.to_dict(curves))
        else:
            show_evaluation(evaluation)
    if answers.skipped:
        ctx.exit(SOME_INPUTS_BAD)


def _if_silent(model: str, foreign: Foreign | None) -> Foreign | None:
    """Say of a second model what was said of the first, unless it speaks for itself."""
    if foreign is None or not model.endswith(".onnx"):
        return None
    from kerascnn.inference.metadata import find_card

    return foreign if find_card(model) is None else None


def _answers(model: str, data: str | None, split: str | None, foreign: Foreign | None) -> Answers:
    if model.endswith(".onnx"):
        from kerascnn.inference import Classifier
        from kerascnn.inference.evaluation import answer_file

        with console(stderr=True).status("evaluating"):
            return answer_file(Classifier(model, foreign=foreign), data, split)
    if foreign:
        raise ConfigError(
            f"{model}: only an .onnx file made elsewhere is evaluated with --labels. Export a "
            "Keras file first: kerascnn export MODEL --onnx --labels FILE"
        )
    with quiet_tensorflow():
        from kerascnn.training.evaluation import answer_run
    with console(stderr=True).status("evaluating"):
        return answer_run(model, data, split)
