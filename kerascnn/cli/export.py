"""``kerascnn export``: parse, one call, print."""

from __future__ import annotations

from dataclasses import asdict

import click

from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow


@click.command("export", cls=Command)
@click.argument("run")
@click.option("--onnx", is_flag=True, required=True, help="Write an ONNX file.")
@click.option("--out", metavar="FILE", help="The file.  [default: exported/NAME.onnx]")
@click.option(
    "--verify",
    metavar="DATA",
    help="Pictures to compare the file with the trained model on.  [default: the run's own]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(run: str, onnx: bool, out: str | None, verify: str | None, as_json: bool) -> None:  # noqa: ARG001
    """Write the model in RUN as one ONNX file that answers as the trained model does.

    The file takes raw pictures and carries everything: weights, preprocessing, class names,
    where it comes from. It is compared with the trained model on real pictures; if a first
    answer differs, or a probability by more than 1e-4, no file is left.

    \b
    kerascnn export runs/flowers --onnx
    kerascnn export runs/flowers --onnx --out flowers.onnx --verify more-flowers/
    """
    with quiet_tensorflow():
        from kerascnn.training.export import export_onnx

    with console(stderr=True).status("exporting") as status:
        result = export_onnx(run, out, verify, progress=status.update)
    if as_json:
        print_json(
            {
                "path": str(result.path),
                "bytes": result.bytes,
                "parity": asdict(result.parity),
                "card": asdict(result.card),
            }
        )
        return
    parity = result.parity
    click.echo(
        f"{result.path}: {result.bytes / 1e6:.1f} MB; on {parity.images:,} pictures of "
        f"{parity.data} every first answer is the trained model's, probabilities within "
        f"{parity.max_abs_diff:.1g}"
    )
    click.echo(f"next: kerascnn predict {result.path} PICTURE…")
