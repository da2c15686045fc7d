"""The parts of a run, which its phases, its plan, its time limit and its advice all need.

Knows: what belongs together. Does not know: where each comes from (:mod:`kerascnn.training.setup`).
"""

from __future__ import annotations

from dataclasses import dataclass

from kerascnn.training.config import TrainConfig
from kerascnn.training.data.feed import Feed
from kerascnn.training.weights.start import StartingNetwork


@dataclass(frozen=True)
class RunParts:
    """What a run is made of.

    Attributes:
        config: Configuration, with network and augmentation chosen.
        device: Name of the device, as :func:`~kerascnn.training.distribution.device.choose_device`
            returns it.
    """

    config: TrainConfig
    device: str
    feed: Feed
    start: StartingNetwork
