"""The table of networks: a new one is one row, which the tests then cover.

Knows: names, builders, input sizes, preprocessing. Does not know: data or training.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn.errors import ConfigError
from kerascnn.training.networks.row import Network as Network
from kerascnn.training.networks.table import rows

if TYPE_CHECKING:
    import keras


NETWORKS: dict[str, Network] = {row.name: row for row in rows()}
"""All networks by name, in the order in which they are listed."""


def find_network(name: str) -> Network:
    """Look a network up.

    Raises:
        ConfigError: There is no such network; similar names are listed.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    near = ", ".join(difflib.get_close_matches(name, NETWORKS, cutoff=0.4))
    if near:
        raise ConfigError(f"there is no network {name!r}. Did you mean: {near}?")
    raise ConfigError(f"there is no network {name!r}. `kerascnn models` lists the networks.")


def build_network(
    network: str | Network, classes: int, image_size: int, imagenet: Path | None = None
) -> keras.Model:
    """Build a network.

    Args:
        network: Row of the network, or its name as in ``kerascnn models``.
        classes: Number of logits, at least 1.
        image_size: Height and width of the input, in pixels.
        imagenet: Path of the library's ImageNet weights; None: random weights. See
            :func:`kerascnn.training.weights.start.start_network`, which finds them.

    Returns:
        A model from float32 ``[batch, image_size, image_size, 3]`` (normalized) to logits
        ``[batch, classes]``. Its last dense layer is ``head``.

    Raises:
        ConfigError: There is no such network, or the image size is below its minimum.
        MissingExtraError: The library it comes from is not installed.
    """
    row = find_network(network) if isinstance(network, str) else network
    check_image_size(row, image_size)
    return row.build(classes, image_size, imagenet)


def check_image_size(row: Network, image_size: int) -> None:
    """Raise a ConfigError if pictures are too small for a network."""
    if image_size < row.minimum_size:
        raise ConfigError(
            f"image size {image_size} is too small for {row.name}: expected at least "
            f"{row.minimum_size}. Its default is {row.image_size}."
        )
