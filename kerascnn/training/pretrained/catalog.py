"""The sources of each network's ImageNet weights.

Knows: the files of keras.applications (``files.json``, which ``scripts/make_weight_files`` writes),
and the presets of keras-hub. Does not know: the internet, the caches of this machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

from kerascnn.errors import ConfigError
from kerascnn.training.networks import NETWORKS, find_network


@dataclass(frozen=True)
class LibraryFile:
    """A weights file of keras.applications, with the head.

    Attributes:
        digest: MD5 or SHA-256 in hexadecimal, from the library; None: it has none.
    """

    name: str
    url: str
    digest: str | None


@dataclass(frozen=True)
class HubPreset:
    """A preset of keras-hub."""

    preset: str
    handle: str


Source = LibraryFile | HubPreset


def _sources() -> dict[str, Source]:
    table = json.loads(files(__package__).joinpath("files.json").read_text(encoding="utf-8"))
    found: dict[str, Source] = {name: LibraryFile(**entry) for name, entry in table.items()}
    for row in NETWORKS.values():
        preset = row.recipe.get("preset")
        if row.imagenet and preset:
            found[row.name] = HubPreset(preset, f"keras/resnetv1/keras/{preset}")
    return {name: found[name] for name in NETWORKS if name in found}


PRETRAINED: dict[str, Source] = _sources()
"""Sources by network, in the order of the table of networks."""


def source_of(name: str) -> Source:
    """Return the source of a network's ImageNet weights.

    Raises:
        ConfigError: There is no such network, or it has no ImageNet weights.
    """
    if name not in PRETRAINED:
        find_network(name)  # raises if there is no such network
        raise ConfigError(
            f"there are no ImageNet weights for {name}. Train it from random weights, give a file, "
            f"or choose one of: {', '.join(PRETRAINED)}."
        )
    return PRETRAINED[name]
