"""``kerascnn export``: parse, one call, print."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from kerascnn.card import Precision
from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow, tell
from kerascnn.cli.foreign import (
    HEADING,
    announce_sizing,
    checked_keras_file,
    foreign_options,
    not_of_keras,
    pop_foreign,
)
from kerascnn.cli.shared import check_data_is_there, speedups
from kerascnn.cli.time_limit import time_limit
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.files import did_you_mean
from kerascnn.language import count, tr
from kerascnn.printable import command_line

if TYPE_CHECKING:
    from kerascnn.card import ModelCard, Parity, Reduction
    from kerascnn.inference import ForeignModel
    from kerascnn.training.export import Export

log = logging.getLogger(__name__)


@click.command(
    "export",
    cls=Command,
    groups={
        "Output": ("onnx", "out", "overwrite", "triton", "timeout", "as_json"),
        "Verification": ("verify",),
        "Precision": ("precision", "calibrate", "max_drop"),
        **HEADING,
    },
)
@click.argument("run")
@click.option("--onnx", is_flag=True, required=True, help="Write an ONNX file.")
@click.option("--out", metavar="FILE", help="The file to write.  [default: exported/NAME.onnx]")
@click.option("--overwrite", is_flag=True, help="Replace a file that holds another model.")
@click.option(
    "--verify",
    metavar="DATA",
    help="Pictures to compare the file with the trained model on.  [default: the run's own]",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default="float32",
    help="Precision of weights and arithmetic. Below float32 some predictions change; they are "
    "counted.",
)
@click.option(
    "--calibrate",
    metavar="DATA",
    help="Pictures to calibrate int8 on.  [default: the run's training pictures]",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=0.5,
    metavar="POINTS",
    help="Largest loss of top-1 accuracy, in percentage points; beyond it, no file is written.",
)
@click.option(
    "--triton",
    metavar="DIR",
    help="Also write it into a model repository for Triton, with a manifest for KServe.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 604_800, min_open=True),
    default=3600.0,
    metavar="SECONDS",
    help="Give up after this time; no file is written then.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@foreign_options
def command(
    run: str,
    onnx: bool,  # noqa: ARG001
    out: str | None,
    triton: str | None,
    timeout: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Export the model in RUN as one ONNX file, verified against the trained model.

    The file takes raw pictures and contains everything: weights, preprocessing, class names and
    provenance. It is compared with the trained model on real pictures; if a top-1
    prediction differs, or a probability by more than 1e-4, no file is written.

    RUN may also be a .keras or .h5 classifier that was made elsewhere, by Keras 2 or 3: then
    --labels gives its class names. A model that contains code is rejected, and none of it is run.

    \b
    kerascnn export runs/flowers --onnx
    kerascnn export runs/flowers --onnx --out flowers.onnx --verify more-flowers/
    kerascnn export runs/flowers --onnx --out flowers-int8.onnx --precision int8
    kerascnn export runs/flowers --onnx --triton model-repository/
    kerascnn export old.h5 --onnx --labels names.txt --normalize caffe --verify flowers/
    """
    check_data_is_there(options["verify"], options["calibrate"])
    foreign = pop_foreign(options)
    with time_limit(
        timeout,
        f"{run}: the export was not done within {timeout:g} s, and no file was written. Give it "
        "more time with --timeout.",
    ):
        result = _export(run, out, foreign, options)
    if foreign:
        announce_sizing(result.card)
    _warn_if_not_learned(result.card)
    repository = None
    if triton:
        from kerascnn.deployment.triton import write_triton

        repository = write_triton(result.path, triton)
    if as_json:
        print_json(_values(result) | ({"triton": str(repository)} if repository else {}))
        return
    _print_result(result, repository, foreign is not None)


def _values(result: Export) -> dict[str, Any]:
    parity, card = asdict(result.parity), result.card.to_dict()
    return {"path": str(result.path), "bytes": result.bytes, "parity": parity, "card": card}


def _print_result(result: Export, repository: Path | None, is_foreign: bool) -> None:
    click.echo(f"{result.path}: {result.bytes / 1e6:.1f} MB; {_proof(result.card)}")
    if repository:
        tell("{folder}: for Triton; KServe's manifest is next to it", folder=repository)
    if is_foreign and "top1" in result.card.metrics:
        top1 = f"{result.card.metrics['top1']:.1%}"
        tell("of these, {top1} are classified correctly", top1=top1)
    tell(
        "next: {command}",
        command=f"{command_line(['kerascnn', 'predict', str(result.path)])} PICTURE…",
    )


def _warn_if_not_learned(card: ModelCard) -> None:
    from kerascnn.report.card_facts import learning_of
    from kerascnn.report.causes import inconclusive_note, not_learned

    learning = learning_of(card)
    if learning and not learning.has_learned:
        log.warning("this network has not learned. %s", not_learned(learning))
    elif learning and not learning.is_conclusive:
        log.warning("%s", inconclusive_note(learning.baseline))


def _proof(card: ModelCard) -> str:
    parity, cost = card.parity, card.reduction
    if parity is None:
        return tr("not compared")
    where = tr(
        "on {pictures} of {data}", pictures=count(parity.images, "picture"), data=parity.data
    )
    if cost is None:
        return tr(
            "{where} every top-1 prediction equals the trained model's, probabilities within "
            "{difference}",
            where=where,
            difference=f"{parity.max_abs_diff:.1g}",
        )
    return _cost(card.precision, cost, parity, where)


def _cost(precision: str, cost: Reduction, parity: Parity, where: str) -> str:
    kept = tr(", {layers} in float32", layers=count(len(cost.kept), "layer")) if cost.kept else ""
    how = "" if cost.method == precision else tr(" by {method}", method=cost.method)
    return tr(
        "{precision}{how}{kept}; {where} top-1 {after} (float32: {before}), {changed} changed; "
        "{size} of the size; speed relative to float32: {speed}",
        precision=precision,
        how=how,
        kept=kept,
        where=where,
        after=f"{cost.top1_after:.2%}",
        before=f"{cost.top1_before:.2%}",
        changed=count(parity.top1_mismatches, "prediction"),
        size=f"{cost.bytes_after / cost.bytes_before:.0%}",
        speed=", ".join(speedups(cost)),
    )


def _export(
    run: str, out: str | None, foreign: ForeignModel | None, options: dict[str, Any]
) -> Export:
    _refuse_onnx(run)
    from kerascnn.training.keras_backend import use_tensorflow

    use_tensorflow()
    with quiet_tensorflow():
        from kerascnn.training.export import export_onnx
        from kerascnn.training.export.foreign import export_foreign
        from kerascnn.training.foreign.loading import is_keras_file

    if is_keras_file(run):
        foreign = _check_foreign(run, foreign)
    elif foreign:
        raise _no_foreign(run)
    with console(stderr=True).status(tr("exporting")) as status:
        progress = lambda step: status.update(tr(step))  # noqa: E731
        if foreign:
            return export_foreign(run, foreign, out, progress=progress, **options)
        return export_onnx(run, out, progress=progress, **options)


def _refuse_onnx(run: str) -> None:
    from kerascnn.inference.model_file.advice import describe_path

    if run.lower().endswith(".onnx") and Path(run).is_file():
        what = describe_path(run) or (
            "It is an .onnx file already: `kerascnn predict`, `evaluate` and `serve` take it as "
            "it is; if another program made it, they need --labels FILE."
        )
        raise ConfigError(f"{run}: nothing to export. {what}")


def _check_foreign(model: str, foreign: ForeignModel | None) -> ForeignModel:
    if not Path(model).exists():
        raise ModelFileError(f"{model}: no such file.{did_you_mean(model)}")
    return checked_keras_file(model, foreign)


def _no_foreign(run: str) -> ConfigError | ModelFileError:
    """Return the error for options of a foreign model that do not apply."""
    from kerascnn.inference.model_file.advice import describe_path
    from kerascnn.inference.model_file.kinds import is_own

    if is_own(run):
        return ConfigError(
            f"{run}: --labels and its options are for a .keras or .h5 file made elsewhere. "
            "A run of kerascnn has its class names and preprocessing."
        )
    there = Path(run).exists()
    what = describe_path(run) if there else f"There is no such file.{did_you_mean(run)}"
    return not_of_keras(run, what)
