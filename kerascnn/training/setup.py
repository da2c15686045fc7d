"""The parts of a run: device, data, decoded and resized, and network.

Knows: where each comes from, and what has to match. Does not know: what is done with them.
"""

from __future__ import annotations

import logging

from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.distribution.device import choose_device
from kerascnn.training.distribution.local_devices import check_devices
from kerascnn.training.distribution.processes import check_same_data
from kerascnn.training.networks import Network
from kerascnn.training.networks.blocks import blocks, set_trainable
from kerascnn.training.phases import written_phases
from kerascnn.training.prepared_data import PreparedData, prepare_data
from kerascnn.training.trainer.parts import RunParts
from kerascnn.training.weights.start import StartingNetwork, start_network

log = logging.getLogger(__name__)


def assemble(
    config: TrainConfig,
    progress: Callback,
    network: Network | None = None,
    data: PreparedData | None = None,
) -> RunParts:
    """Assemble a run: the device, the data and the network.

    Returns:
        The parts; the network is still in float32, and everything in it is trainable.

    Raises:
        ConfigError: The device, the network or the size is not available or does not fit.
        DataError: There is no usable data, or other data than in the other processes.
        ModelFileError: The weights cannot be used.
    """
    device = choose_device(config.device)
    data = data or prepare_data(config, progress, network)
    config, feed = data.config, data.feed
    check_devices(config, len(feed.train))
    check_same_data(feed.fingerprint)
    classes = len(feed.dataset.classes)
    start = start_network(
        data.network, classes, feed.size, config.weights,
        lambda done, total: progress.on_download(config.model, done, total),
    )  # fmt: skip
    return RunParts(config, device, feed, start)


def check_scopes(config: TrainConfig, start: StartingNetwork) -> None:
    """Check that every scope matches a block, before anything is trained or written.

    Raises:
        ConfigError: A scope names a block that does not exist.
    """
    scopes = [phase.scope for phase in written_phases(config)]
    learned = {name for scope in scopes for name in set_trainable(start.core, scope)}
    if start.fresh_head and "head" not in learned:
        log.warning(
            "the head is new and no phase trains it, so predictions will be random. "
            "Add it to the scope: %s,head.",
            scopes[-1],
        )
    if config.weights == "none" and any(one.name not in learned for one in blocks(start.core)):
        log.warning(
            "the frozen blocks keep their random weights. Train everything (`trainable` all), or "
            "start from pretrained weights (`weights` imagenet or a file)."
        )
