"""Facts about each network that are known without building it.

Knows: the file that ``scripts/make_network_facts`` writes, and how its numbers are counted. Does
not know: any network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from kerascnn.training.networks.block_names import stage_of

if TYPE_CHECKING:
    import keras

FILE = Path(__file__).with_name("facts.json")
"""File with the facts of all networks."""


class Facts(TypedDict):
    """Facts about one network at 1,000 classes and its default image size."""

    params: int
    state: int
    blocks: list[str]


def load_facts() -> dict[str, Facts]:
    """Read the facts of all networks, by name."""
    facts: dict[str, Facts] = json.loads(FILE.read_text(encoding="utf-8"))
    return facts


def facts_of(model: keras.Model) -> Facts:
    """Count the parameters, other values and blocks of a network."""
    from kerascnn.training.networks.blocks import blocks

    parts = blocks(model)
    return Facts(
        params=sum(block.params for block in parts),
        state=sum(block.state for block in parts),
        blocks=[block.name for block in parts],
    )


def stages(names: list[str]) -> str:
    """Summarize a list of blocks for display.

    Examples:
        >>> stages(["conv1", "conv2_block1", "conv2_block2", "head"])
        'conv1 conv2(2) head'
    """
    counts: dict[str, int] = {}
    for name in names:
        counts[stage_of(name)] = counts.get(stage_of(name), 0) + 1
    return " ".join(s if n == 1 else f"{s}({n})" for s, n in counts.items())
