"""``kerascnn models``: parse, one call, print."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, padded, print_json
from kerascnn.language import tr
from kerascnn.language.messages import translated

if TYPE_CHECKING:
    from kerascnn.training.networks import Network

_NAME = 20
"""Length of the longest name; names are never cut."""


@click.command("models", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(as_json: bool) -> None:
    """List the networks by family, with their parameters for 1,000 classes and usual image sizes.

    The blocks, which --trainable takes, are shown for the first network of each family; conv3(4)
    is a stage of four blocks. `kerascnn summary NAME` shows the blocks of any network.

    \b
    kerascnn models
    kerascnn models --json
    """
    # A stored table, which needs no Keras, so that this works in every installation, and fast.
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
        return f"{translated(FAMILIES[network.family])}: {translated(network.summary)}"

    click.echo(tr("Parameters are those with 1,000 classes at the image size shown.") + "\n")
    for title, group in groupby(NETWORKS.values(), key=heading):
        members = list(group)
        click.echo(title)
        for network in members:
            click.echo(_row(network, facts[network.name]["params"]))
        blocks = padded(tr("blocks"), _NAME)
        click.echo(f"  {blocks} {stages(facts[members[0].name]['blocks'])}\n")


def _row(network: Network, parameters: int) -> str:
    return tr(
        "  {name} {parameters} parameters  {size} pixels (at least {least})  weights: {weights}",
        name=f"{network.name:<{_NAME}}",
        parameters=f"{parameters:>11,}",
        size=network.image_size,
        least=network.minimum_size,
        weights=", ".join(map(translated, network.weights)) or tr("none"),
    )
