"""``kerascnn evaluate``: parse, one call, print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import (
    SOME_INPUTS_BAD,
    Command,
    console,
    open_run,
    print_json,
    quiet_tensorflow,
)
from kerascnn.cli.evaluation_tables import show_comparison, show_evaluation
from kerascnn.cli.foreign import HEADING, foreign_options, pop_foreign
from kerascnn.cli.shared import check_data_is_there, download_models, split_option
from kerascnn.errors import ConfigError
from kerascnn.language import count, tr

if TYPE_CHECKING:
    from kerascnn.inference import ForeignModel
    from kerascnn.inference.try_resizing import Trials
    from kerascnn.metrics.classification import Evaluation
    from kerascnn.metrics.comparison import Comparison


@click.command(
    "evaluate",
    cls=Command,
    groups={
        "Data": ("split", "leaks"),
        "Comparison": ("compare", "try_resizing"),
        "Output": ("curves", "as_json"),
        **HEADING,
    },
)
@click.argument("model", callback=download_models)
@click.argument("data", required=False)
@split_option
@click.option(
    "--compare",
    callback=download_models,
    metavar="FILE",
    help="A second model on the same pictures: which predictions differ, and which is better.",
)
@click.option(
    "--leaks/--no-leaks",
    default=None,
    help="Look for duplicates and near-duplicates in the other splits.  [default: --leaks]",
)
@click.option(
    "--try-resizing",
    is_flag=True,
    help="For an .onnx file: try how other libraries resize pictures, and show which fits best.",
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
    leaks: bool | None,
    curves: bool,
    try_resizing: bool,
    as_json: bool,
    **foreign: Any,
) -> None:
    """Evaluate MODEL: a run folder, its model.keras, or an exported .onnx file.

    DATA is what `kerascnn train` takes; for a run, it defaults to the run's own data. An .onnx file
    is evaluated with onnxruntime alone.

    \b
    kerascnn evaluate runs/flowers
    kerascnn evaluate exported/flowers.onnx flowers/ --json
    kerascnn evaluate exported/flowers.onnx flowers/ --compare exported/flowers-int8.onnx
    kerascnn evaluate other.onnx flowers/ --labels names.txt --image-size 224 --try-resizing
    kerascnn evaluate other.onnx flowers/ --labels names.txt --image-size 224 --normalize torch
    """
    _check_together(model, compare, leaks, curves, try_resizing, as_json)
    check_data_is_there(data)
    chosen = (data, split, pop_foreign(foreign))
    if try_resizing:
        _try_resizing(model, *chosen, as_json)
        return
    if compare:
        compared = _compare(model, compare, *chosen)
        show: Any = show_comparison if not as_json else lambda found: print_json(found.to_dict())
        show(compared)
        skipped = compared.skipped
    else:
        evaluation: Evaluation = _evaluate("evaluate", model, *chosen, leaks=leaks is not False)
        if as_json:
            print_json(evaluation.to_dict(curves))
        else:
            show_evaluation(evaluation)
        skipped = evaluation.skipped
    if skipped:
        ctx.exit(SOME_INPUTS_BAD)


def _check_together(
    model: str, compare: str | None, leaks: bool | None, curves: bool, try_resizing: bool,
    as_json: bool,
) -> None:  # fmt: skip
    if curves and (compare or not as_json):
        raise click.UsageError("--curves needs --json, and only one model.")
    if leaks and compare:
        raise click.UsageError("--leaks works for one model, not with --compare.")
    if try_resizing and (compare or curves or leaks or not model.endswith(".onnx")):
        raise click.UsageError(
            "--try-resizing works for one .onnx file, without --compare, --curves and --leaks."
        )


def _try_resizing(
    model: str, data: str | None, split: str | None, foreign: ForeignModel | None, as_json: bool
) -> None:
    from kerascnn.inference import Classifier
    from kerascnn.inference.try_resizing import try_resizing

    with console(stderr=True).status(tr("trying")) as status:
        classifier = Classifier(model, foreign=foreign)
        said = foreign is None or bool(foreign.normalize or foreign.normalization)
        known = said or classifier.signature.normalizes
        trials = try_resizing(classifier, data, split, known, status.update)
    if as_json:
        print_json(trials.to_dict())
        return
    for trial in trials.trials:
        cross_entropy = f"{-trial.log_likelihood:8.3f} {tr('nats')}"
        click.echo(f"{trial.top1:7.2%}  {cross_entropy}  {trial.options}")
    click.echo(_best_sizing(trials))


def _best_sizing(trials: Trials) -> str:
    pictures = count(trials.images, "picture")
    if len(trials.equal) + 1 == len(trials.trials):
        return tr(
            "the methods give the same predictions on {pictures}. Expected pictures in their "
            "original sizes, different from the model's.",
            pictures=pictures,
        )
    others = ", ".join(trials.equal)
    return tr(
        "fits best on {pictures}: {options}{equal} (by top-1 accuracy, then by cross-entropy)",
        pictures=pictures,
        options=trials.best.options,
        equal=tr(", tied with {others}", others=others) if others else "",
    )


def _evaluate(
    what: str, model: str, data: str | None, split: str | None, foreign: ForeignModel | None,
    **options: Any,
) -> Any:  # fmt: skip
    """Call ``evaluate`` or ``predict`` of the half that can open the model, file or run."""
    if model.lower().endswith(".onnx"):
        from kerascnn.inference import Classifier, evaluation

        with console(stderr=True).status(tr("evaluating")):
            classifier = Classifier(model, foreign=foreign)
            return getattr(evaluation, f"{what}_file")(classifier, data, split, **options)
    if foreign:
        raise ConfigError(
            f"{model}: only an .onnx file made elsewhere is evaluated with --labels. Export a "
            "Keras file first: kerascnn export MODEL --onnx --labels FILE"
        )
    run = open_run(model)
    with quiet_tensorflow():
        from kerascnn.training import evaluation as of_runs
    with console(stderr=True).status(tr("evaluating")):
        return getattr(of_runs, f"{what}_run")(run, data, split, **options)


def _compare(
    model: str, other: str, data: str | None, split: str | None, foreign: ForeignModel | None
) -> Comparison:
    from kerascnn.metrics.comparison import compare_predictions

    one = _evaluate("predict", model, data, split, foreign)
    two = _evaluate("predict", other, data, split, _foreign_options_of_second(other, foreign))
    return compare_predictions(one, two, model, other)


def _foreign_options_of_second(model: str, foreign: ForeignModel | None) -> ForeignModel | None:
    """Apply the options for the first model to the second, unless that has a card."""
    if foreign is None or not model.lower().endswith(".onnx"):
        return None
    from kerascnn.inference.model_file.metadata import find_card

    return foreign if find_card(model) is None else None
