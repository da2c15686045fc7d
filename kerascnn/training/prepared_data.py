"""The decoded and resized data of a run, and the options that depend on it.

Knows: the order in which data, network and augmentation determine one another. Does not import
Keras, whose memory would add to that of the pictures being decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from kerascnn.training.auto.model import choose_changes, choose_network
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.feed import Feed, prepare
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.networks import Network, check_image_size, find_network
from kerascnn.training.weights.check import check_weights


@dataclass(frozen=True)
class PreparedData:
    """The data of a run, and its configuration with network and augmentation chosen."""

    config: TrainConfig
    network: Network
    feed: Feed


def prepare_data(
    config: TrainConfig, progress: Callback, network: Network | None = None
) -> PreparedData:
    """Load and decode the data of a run, and resolve the options that depend on it.

    Args:
        network: Row of the configuration's network, which can take its weights; None: looked up.

    Raises:
        ConfigError: The network is not available.
        DataError: No usable data.
        ModelFileError: The weights cannot be used.
    """
    dataset = run_dataset(config)
    config = choose_network(config, dataset, progress)
    if network is None or network.name != config.model:
        network = find_network(config.model)
        check_weights(network, config.weights)
    check_image_size(network, config.image_size or network.image_size)
    feed = prepare(config, progress, dataset, network)
    return PreparedData(choose_changes(config, feed, progress, network), network, feed)
