"""The training half: the only place that imports Keras.

The public names; each is imported when it is first used, so that :class:`TrainConfig` can be
made without Keras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.fitting import fit
    from kerascnn.training.run import Run, open_run

__all__ = ["Run", "TrainConfig", "fit", "open_run"]

_HOMES = {
    "Run": "run",
    "TrainConfig": "config",
    "fit": "fitting",
    "open_run": "run",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
