"""The training half: the only place that imports Keras.

The public names; each is imported when it is first used, so that :class:`TrainConfig` can be
made without Keras.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerascnn.training.supported import check_backend

# TensorFlow reads this once, when it is imported. It leaves oneDNN off on processors without
# AVX-512 VNNI, where training is then two to three times slower (docs/training.md).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if TYPE_CHECKING:
    from kerascnn.training.advising.advise import advise
    from kerascnn.training.advising.deciding import Advice
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.evaluation import evaluate_run
    from kerascnn.training.export import Export, export_onnx
    from kerascnn.training.fitting import fit
    from kerascnn.training.rates import Suggestion, find_learning_rate
    from kerascnn.training.recipes import recipe_config
    from kerascnn.training.run import Run, open_run
    from kerascnn.training.scope import Block, blocks, set_trainable
    from kerascnn.training.summary import summarize

__all__ = [
    "Advice",
    "Block",
    "Export",
    "Run",
    "Suggestion",
    "TrainConfig",
    "advise",
    "blocks",
    "evaluate_run",
    "export_onnx",
    "find_learning_rate",
    "fit",
    "open_run",
    "recipe_config",
    "set_trainable",
    "summarize",
]

_HOMES = {
    "Advice": "advising.deciding",
    "advise": "advising.advise",
    "Block": "scope",
    "blocks": "scope",
    "set_trainable": "scope",
    "Export": "export",
    "evaluate_run": "evaluation",
    "export_onnx": "export",
    "summarize": "summary",
    "Suggestion": "rates",
    "find_learning_rate": "rates",
    "recipe_config": "recipes",
    "Run": "run",
    "TrainConfig": "config",
    "fit": "fitting",
    "open_run": "run",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name != "TrainConfig":
        check_backend()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
