"""``kerascnn export``: parse, one call, print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow

if TYPE_CHECKING:
    from kerascnn.card import ModelCard


@click.command("export", cls=Command)
@click.argument("run")
@click.option("--onnx", is_flag=True, required=True, help="Write an ONNX file.")
@click.option("--out", metavar="FILE", help="The file.  [default: exported/NAME.onnx]")
@click.option(
    "--verify",
    metavar="DATA",
    help="Pictures to compare the file with the trained model on.  [default: the run's own]",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "int8"]),
    default="float32",
    show_default=True,
    help="Of the weights and the arithmetic. Below float32 some answers change; they are counted.",
)
@click.option(
    "--calibrate",
    metavar="DATA",
    help="Pictures to measure the ranges of int8 on.  [default: the run's training pictures]",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=0.5,
    show_default=True,
    metavar="POINTS",
    help="Points of top-1 that lower precision may cost; a file that loses more is not written.",
)
@click.option(
    "--triton",
    metavar="DIR",
    help="Also write it into a model repository for Triton, with a manifest for KServe.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    run: str,
    onnx: bool,  # noqa: ARG001
    out: str | None,
    triton: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write the model in RUN as one ONNX file that answers as the trained model does.

    The file takes raw pictures and carries everything: weights, preprocessing, class names,
    where it comes from. It is compared with the trained model on real pictures; if a first
    answer differs, or a probability by more than 1e-4, no file is left.

    \b
    kerascnn export runs/flowers --onnx
    kerascnn export runs/flowers --onnx --out flowers.onnx --verify more-flowers/
    kerascnn export runs/flowers --onnx --out flowers-int8.onnx --precision int8
    kerascnn export runs/flowers --onnx --triton model-repository/
    """
    with quiet_tensorflow():
        from kerascnn.training.export import export_onnx

    with console(stderr=True).status("exporting") as status:
        result = export_onnx(run, out, progress=status.update, **options)
    repository = None
    if triton:
        from kerascnn.serving.triton import write_triton

        repository = write_triton(result.path, triton)
    if as_json:
        print_json(
            {
                "path": str(result.path),
                "bytes": result.bytes,
                "parity": asdict(result.parity),
                "card": asdict(result.card),
                **({"triton": str(repository)} if repository else {}),
            }
        )
        return
    click.echo(f"{result.path}: {result.bytes / 1e6:.1f} MB; {_proof(result.card)}")
    if repository:
        click.echo(f"{repository}: for Triton; KServe's manifest lies beside it")
    click.echo(f"next: kerascnn predict {result.path} PICTURE…")


def _proof(card: ModelCard) -> str:
    parity, cost = card.parity, card.reduction
    if parity is None:
        return "not compared"
    where = f"on {parity.images:,} pictures of {parity.data}"
    if cost is None:
        return (
            f"{where} every first answer is the trained model's, probabilities within "
            f"{parity.max_abs_diff:.1g}"
        )
    speed = ", ".join(f"{times:.2f} times ({name})" for name, times in cost.speedup.items())
    kept = f", {len(cost.kept)} layers in float32" if cost.kept else ""
    how = "" if cost.method == card.precision else f" by {cost.method}"
    return (
        f"{card.precision}{how}{kept}; {where} top-1 {cost.top1_after:.2%} (float32: "
        f"{cost.top1_before:.2%}), {parity.top1_mismatches:,} answers changed; "
        f"{cost.bytes_after / cost.bytes_before:.0%} of the size; speed here against float32: "
        f"{speed}"
    )
