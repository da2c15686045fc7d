"""The table of networks: a new one is one row, and brings its own tests.

Knows: names, builders, input sizes, preprocessing. Does not know: data or training.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerascnn.card import Normalization
from kerascnn.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """One row of the table.

    Attributes:
        name: What users type.
        summary: One line for ``kerascnn models``.
        build: From number of classes and image size to a model that gives logits.
        image_size: Height and width of the input when the user names none, in pixels.
        minimum_size: The smallest input that leaves a feature map to classify, in pixels.
        normalization: What happens to a pixel before the network.
    """

    name: str
    summary: str
    build: Callable[[int, int], keras.Model]
    image_size: int
    minimum_size: int
    normalization: Normalization


def _cnn(classes: int, image_size: int) -> keras.Model:
    from kerascnn.training.networks.cnn import build_cnn

    return build_cnn(classes, image_size)


UNIT = Normalization((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
"""Pixels to -1..1, as the course does for networks that start from nothing."""

NETWORKS: dict[str, Network] = {
    row.name: row
    for row in (
        Network("cnn", "the course's baseline: 2 convolutions, 2 dense layers", _cnn, 32, 10, UNIT),
    )
}


def find_network(name: str) -> Network:
    """Look a network up.

    Args:
        name: As in ``kerascnn models``.

    Returns:
        Its row.

    Raises:
        ConfigError: No such network; near names are listed.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    near = difflib.get_close_matches(name, NETWORKS, cutoff=0.4) or list(NETWORKS)
    raise ConfigError(f"there is no network {name!r}. Did you mean: {', '.join(near)}?")


def build_network(name: str, classes: int, image_size: int) -> keras.Model:
    """Build a network with fresh weights.

    Args:
        name: As in ``kerascnn models``.
        classes: How many logits, at least 1.
        image_size: Height and width of the input, in pixels.

    Returns:
        A model from float32 ``[batch, image_size, image_size, 3]`` (normalised) to logits
        ``[batch, classes]``.

    Raises:
        ConfigError: No such network, or an image size below its minimum.
    """
    network = find_network(name)
    if image_size < network.minimum_size:
        raise ConfigError(
            f"image size {image_size} is too small for {name}: expected at least "
            f"{network.minimum_size}. Its default is {network.image_size}."
        )
    return network.build(classes, image_size)
