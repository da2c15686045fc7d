"""The libraries' ImageNet weights: their sources, caches and downloads.

Nothing here imports Keras; only presets of keras-hub are fetched with its help.
"""

from __future__ import annotations

from kerascnn.training.pretrained.cache import cached, misfit
from kerascnn.training.pretrained.catalog import PRETRAINED, source_of
from kerascnn.training.pretrained.fetching import ensure, fetch

__all__ = ["PRETRAINED", "cached", "ensure", "fetch", "misfit", "source_of"]
