"""``kerascnn models``: parse, one call, print."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, print_json

if TYPE_CHECKING:
    from kerascnn.training.networks import Network

_NAME = 20
"""Letters of the longest name; names are never cut."""


@click.command("models", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(as_json: bool) -> None:
    """List the networks by family, with parameters at 1,000 classes and their usual image size.

    Blocks are what --trainable takes; conv3(4) has four blocks. They are shown for the first
    network of a family; `kerascnn summary NAME` shows any other's. No Keras is needed.

    \b
    kerascnn models
    kerascnn models --json
    """
    # A table of facts: no Keras, so it works in every install and at once.
    from kerascnn.training.networks.facts import load_facts

    facts = load_facts()
    if as_json:
        print_json(_rows(facts))
    else:
        _show(facts)


def _rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    from kerascnn.training.networks import NETWORKS

    return [
        {
            "name": network.name,
            "family": network.family,
            "summary": network.summary,
            "image_size": network.image_size,
            "minimum_size": network.minimum_size,
            "params": facts[network.name]["params"],
            "blocks": facts[network.name]["blocks"],
            "source": network.source,
            "weights": list(network.weights),
        }
        for network in NETWORKS.values()
    ]


def _show(facts: dict[str, Any]) -> None:
    from kerascnn.training.networks import NETWORKS
    from kerascnn.training.networks.facts import stages
    from kerascnn.training.networks.table import FAMILIES

    def heading(network: Network) -> str:
        return f"{FAMILIES[network.family]}: {network.summary}"

    for title, group in groupby(NETWORKS.values(), key=heading):
        members = list(group)
        click.echo(title)
        for network in members:
            found = facts[network.name]
            click.echo(
                f"  {network.name:<{_NAME}} {found['params']:>11,} parameters  "
                f"{network.image_size} pixels (at least {network.minimum_size})  "
                f"weights: {', '.join(network.weights) or 'none'}"
            )
        click.echo(f"  {'blocks':<{_NAME}} {stages(facts[members[0].name]['blocks'])}\n")
