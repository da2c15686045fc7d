"""The libraries' ImageNet weights: where they come from, where they lie, and how they get there.

Nothing here imports Keras; only presets of keras-hub are fetched with its help.
"""

from __future__ import annotations

from kerascnn.training.pretrained.cache import cached, misfit
from kerascnn.training.pretrained.catalogue import PRETRAINED, source_of
from kerascnn.training.pretrained.fetching import OFFLINE, ensure, fetch, is_offline

__all__ = [
    "OFFLINE",
    "PRETRAINED",
    "cached",
    "ensure",
    "fetch",
    "is_offline",
    "misfit",
    "source_of",
]
