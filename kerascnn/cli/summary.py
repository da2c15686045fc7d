"""``kerascnn summary``: parse, one call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerascnn.cli.base import (
    Command,
    add_options,
    console,
    open_run,
    plain_table,
    print_json,
    quiet_tensorflow,
)
from kerascnn.cli.shared import complete_networks, complete_scopes, download_models
from kerascnn.cli.train_options import train_option
from kerascnn.errors import ModelFileError
from kerascnn.files import did_you_mean
from kerascnn.inference.model_file.advice import ONNX, describe_path
from kerascnn.language import tr

if TYPE_CHECKING:
    from kerascnn.training.networks.blocks import Block
    from kerascnn.training.networks.summary import Summary
    from kerascnn.training.run.folder import Run


@click.command("summary", cls=Command)
@click.argument("model", shell_complete=complete_networks, callback=download_models)
@click.option(
    "--classes",
    type=click.IntRange(1),
    default=1000,
    help="Number of classes, if MODEL is the name of a network.",
)
@add_options(train_option("image_size"))
@click.option(
    "--trainable",
    shell_complete=complete_scopes,
    metavar="SCOPE",
    help="all, head, from:BLOCK, or a comma-separated list of blocks.  [default: unchanged]",
)
@add_options(train_option("batchnorm"))
@click.option("--layers", is_flag=True, help="Show every layer, not only the blocks.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    model: str,
    classes: int,
    image_size: int | None,
    trainable: str | None,
    batchnorm: str,
    layers: bool,
    as_json: bool,
) -> None:
    """Show the blocks and parameters of MODEL: a name from `kerascnn models`, or a run folder.

    BatchNormalization's moving statistics are state, not parameters, as in PyTorch's count.

    \b
    kerascnn summary resnet18 --classes 2 --trainable head
    kerascnn summary cnn --classes 10 --image-size 32 --layers
    kerascnn summary runs/flowers --json
    """
    run = _run(model)
    with quiet_tensorflow():
        from kerascnn.training.networks import build_network, find_network
        from kerascnn.training.networks.blocks import set_trainable
        from kerascnn.training.networks.summary import summarize

        if run:
            network = run.load_model()
        else:
            size = image_size or find_network(model).image_size
            network = build_network(model, classes, size)
    if trainable:
        set_trainable(network, trainable, batchnorm)  # type: ignore[arg-type]
    summary = summarize(network)
    if as_json:
        print_json(summary.to_dict())
        return
    (_show_layers if layers else _show_blocks)(summary)
    _show_total(summary)


def _run(model: str) -> Run | None:
    """Open a run before Keras is loaded; None if the argument is the name of a network."""
    kind = Path(model).suffix.lower()
    if Path(model).is_file() and kind == ".onnx":
        what = describe_path(model) or ONNX
        raise ModelFileError(f"{model}: contains no Keras layers. {what}")
    if not Path(model).exists() and kind in (".keras", ".h5", ".onnx"):
        raise ModelFileError(f"{model}: no such file.{did_you_mean(model)}")
    return open_run(model) if Path(model).exists() or Path(model).name != model else None


def _show_total(summary: Summary) -> None:
    frozen = summary.total_params - summary.trainable_params
    console().print(
        tr(
            "total {total} parameters: {trainable} trainable, {frozen} frozen; {state} numbers of "
            "state",
            total=f"{summary.total_params:,}",
            trainable=f"{summary.trainable_params:,}",
            frozen=f"{frozen:,}",
            state=f"{summary.state:,}",
        ),
        soft_wrap=True,
    )


def _show_blocks(summary: Summary) -> None:
    numbers = [*map(tr, ("parameters", "trainable", "state")), ""]
    table = plain_table(tr("block"), numbers=numbers)
    for name, group in summary.groups():
        table.add_row(name, *_numbers(group))
    console().print(table)


def _numbers(group: list[Block]) -> tuple[str, str, str, str]:
    params = sum(block.params for block in group)
    learns = sum(block.trainable_params for block in group)
    word = tr("trainable" if learns == params else "frozen" if not learns else "partly")
    return f"{params:,}", f"{learns:,}", f"{sum(block.state for block in group):,}", word


def _show_layers(summary: Summary) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "type"):
        table.add_column(tr(heading), overflow="fold")
    for heading in ("output shape", "parameters", "state", "trainable"):
        table.add_column(tr(heading), justify="right")
    for row in summary.layers:
        shape = " x ".join("?" if side is None else str(side) for side in row.output_shape)
        learns = "" if not row.params else tr("yes" if row.trainable else "frozen")
        table.add_row(row.name, row.type, shape, f"{row.params:,}", f"{row.state:,}", learns)
    screen = console()
    if not screen.is_terminal:
        screen.width = 200  # wide enough for every name, when written to a file
    screen.print(table)
