"""``kerascnn models``: parse, one call, print."""

from __future__ import annotations

import click

from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow

_CLASSES = 1000


@click.command("models", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(as_json: bool) -> None:
    """List the networks, with parameters at 1,000 classes and their usual image size.

    \b
    kerascnn models
    kerascnn models --json
    """
    with quiet_tensorflow():
        from kerascnn.training.networks import NETWORKS, build_network
        from kerascnn.training.summary import summarize

    rows = [
        {
            "name": network.name,
            "summary": network.summary,
            "image_size": network.image_size,
            "minimum_size": network.minimum_size,
            "params": summarize(
                build_network(network.name, _CLASSES, network.image_size)
            ).total_params,
        }
        for network in NETWORKS.values()
    ]
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "what", box=None, pad_edge=False)
    table.add_column("image size", justify="right")
    table.add_column("parameters", justify="right")
    for row in rows:
        table.add_row(
            str(row["name"]), str(row["summary"]), str(row["image_size"]), f"{row['params']:,}"
        )
    console().print(table)
