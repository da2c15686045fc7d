"""``kerascnn summary``: parse, one call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow

if TYPE_CHECKING:
    from kerascnn.training.summary import Summary


@click.command("summary", cls=Command)
@click.argument("model")
@click.option("--classes", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--image-size", type=int, help="Height and width in pixels.  [default: the model's]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(model: str, classes: int, image_size: int | None, as_json: bool) -> None:
    """Show the layers of MODEL: a name from `kerascnn models`, or a run folder.

    BatchNormalization's moving statistics are state, not parameters, as PyTorch counts.

    \b
    kerascnn summary cnn --classes 10 --image-size 32
    kerascnn summary runs/flowers --json
    """
    with quiet_tensorflow():
        from kerascnn.training.networks import build_network, find_network
        from kerascnn.training.run import open_run
        from kerascnn.training.summary import summarize

    if Path(model).exists():
        summary = summarize(open_run(model).load_model())
    else:
        size = image_size or find_network(model).image_size
        summary = summarize(build_network(model, classes, size))
    if as_json:
        print_json(summary.to_dict())
    else:
        _show(summary)


def _show(summary: Summary) -> None:
    from rich.table import Table

    table = Table("layer", "type", box=None, pad_edge=False)
    for heading in ("output shape", "parameters", "state", "trainable"):
        table.add_column(heading, justify="right")
    for row in summary.layers:
        shape = " x ".join("?" if side is None else str(side) for side in row.output_shape)
        learns = "" if not row.params else "yes" if row.trainable else "frozen"
        table.add_row(row.name, row.type, shape, f"{row.params:,}", f"{row.state:,}", learns)
    out = console()
    out.print(table)
    frozen = summary.total_params - summary.trainable_params
    out.print(
        f"total {summary.total_params:,} parameters: {summary.trainable_params:,} trainable, "
        f"{frozen:,} frozen; {summary.state:,} numbers of state"
    )
