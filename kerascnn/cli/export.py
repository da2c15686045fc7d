"""``kerascnn export``: parse, one call, print."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow
from kerascnn.cli.foreign import foreign_options, said
from kerascnn.errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from kerascnn.inference import Foreign
    from kerascnn.training.export import Export


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
@foreign_options
def command(
    run: str,
    onnx: bool,  # noqa: ARG001
    out: str | None,
    verify: str | None,
    as_json: bool,
    **foreign: Any,
) -> None:
    """Write the model in RUN as one ONNX file that answers as the trained model does.

    The file takes raw pictures and carries everything: weights, preprocessing, class names,
    where it comes from. It is compared with the trained model on real pictures; if a first
    answer differs, or a probability by more than 1e-4, no file is left.

    RUN may also be a .keras or .h5 classifier that was made elsewhere, by Keras 2 or 3: then
    --labels says its class names. A model that holds code is refused, and nothing of it runs.

    \b
    kerascnn export runs/flowers --onnx
    kerascnn export runs/flowers --onnx --out flowers.onnx --verify more-flowers/
    kerascnn export old.h5 --onnx --labels names.txt --normalize caffe --verify flowers/
    """
    result = _export(run, out, verify, said(**foreign))
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
    if foreign["labels"] and "top1" in result.card.metrics:
        click.echo(f"of these, {result.card.metrics['top1']:.1%} are answered rightly")
    click.echo(f"next: kerascnn predict {result.path} PICTURE…")


def _export(run: str, out: str | None, verify: str | None, foreign: Foreign | None) -> Export:
    with quiet_tensorflow():
        from kerascnn.training.export import export_onnx
        from kerascnn.training.export.foreign import export_foreign
        from kerascnn.training.foreign.loading import is_keras_file

    path = Path(run)
    own = not is_keras_file(run) or (
        path.name == "model.keras" and path.with_name("card.json").is_file()
    )
    if own and foreign:
        raise ConfigError(
            f"{run}: --labels and what goes with it are for a .keras or .h5 file made elsewhere. "
            "A run of kerascnn has its class names and preprocessing."
        )
    if not own and not path.exists():
        raise ModelFileError(f"{run}: no such file.")
    if not own and not foreign:
        raise ConfigError(
            f"{run}: was made elsewhere, so --labels FILE is missing: its class names, one a "
            "line, in the order of its outputs. --normalize and --image-size may be needed too."
        )
    with console(stderr=True).status("exporting") as status:
        if foreign:
            return export_foreign(run, foreign, out, verify, progress=status.update)
        return export_onnx(run, out, verify, progress=status.update)
