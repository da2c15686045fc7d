"""``kerascnn models``: parse, one call, print."""

from __future__ import annotations

import click

from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow


@click.command("models", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(as_json: bool) -> None:
    """List the networks, with parameters at 1,000 classes and their usual image size.

    Blocks are what --trainable takes; conv3(4) is a stage of four.

    \b
    kerascnn models
    kerascnn models --json
    """
    with quiet_tensorflow():
        from kerascnn.training.networks import NETWORKS
        from kerascnn.training.networks.facts import load_facts, stages

    facts = load_facts()
    rows = [
        {
            "name": network.name,
            "summary": network.summary,
            "image_size": network.image_size,
            "minimum_size": network.minimum_size,
            "params": facts[network.name]["params"],
            "blocks": facts[network.name]["blocks"],
            "source": network.source,
            "weights": list(network.weights),
            "small_stem": network.small_stem,
        }
        for network in NETWORKS.values()
    ]
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "what", box=None, pad_edge=False)
    table.add_column("size (least)", justify="right")
    table.add_column("parameters", justify="right")
    table.add_column("weights")
    table.add_column("blocks", overflow="fold")
    for row in rows:
        table.add_row(
            str(row["name"]),
            str(row["summary"]),
            f"{row['image_size']} ({row['minimum_size']})",
            f"{row['params']:,}",
            ", ".join(NETWORKS[str(row["name"])].weights) or "none",
            stages(facts[str(row["name"])]["blocks"]),
        )
    console().print(table)
