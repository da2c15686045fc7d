"""Shell completion of networks and their blocks.

Knows: the table of network facts, which needs no Keras. Does not know any command.
"""

from __future__ import annotations

import click


def complete_networks(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """Return the networks whose names start with the typed text."""
    from kerascnn.training.networks.facts import load_facts

    return [name for name in load_facts() if name.startswith(typed)]


def complete_scopes(context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """Complete ``--trainable``: the last item of its list, for the network given before it."""
    from kerascnn.training.networks.facts import load_facts

    facts = load_facts()
    # While a value is still missing, Click leaves arguments unparsed.
    named = [context.params.get("model"), *context.args]
    blocks = next((facts[name]["blocks"] for name in named if name in facts), [])
    *listed, _ = typed.split(",")
    found = [",".join([*listed, block]) for block in blocks if block not in listed]
    if not listed:
        found += ["all", "head", "auto", *(f"from:{block}" for block in blocks)]
    return [name for name in dict.fromkeys(found) if name.startswith(typed)]
