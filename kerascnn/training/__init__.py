"""The training half: the only place that imports Keras.

The public names; each is imported when it is first used, so that :class:`TrainConfig` can be
created without Keras.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerascnn.errors import needs_extra
from kerascnn.lazy import lazy_names
from kerascnn.training.keras_backend import check_backend, silenced

# TensorFlow reads this once, when it is imported. It leaves oneDNN off on processors without
# AVX-512 VNNI, where training is then two to three times slower (docs/training.md).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Its C++ half reads this once, too; its log messages are for developers.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if TYPE_CHECKING:
    from kerascnn.training.advising.advise import advise
    from kerascnn.training.advising.decision import Advice
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.evaluation import evaluate_run, predict_run
    from kerascnn.training.export import Export, export_onnx
    from kerascnn.training.lr_finder import Suggestion, find_learning_rate
    from kerascnn.training.networks.blocks import Block, blocks, set_trainable
    from kerascnn.training.networks.summary import summarize
    from kerascnn.training.recipes import recipe_config
    from kerascnn.training.run.folder import Run, open_run
    from kerascnn.training.train import fit

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
    "predict_run",
    "recipe_config",
    "set_trainable",
    "summarize",
]

_HOMES = {
    "Advice": ".advising.decision",
    "advise": ".advising.advise",
    "Block": ".networks.blocks",
    "blocks": ".networks.blocks",
    "set_trainable": ".networks.blocks",
    "Export": ".export",
    "predict_run": ".evaluation",
    "evaluate_run": ".evaluation",
    "export_onnx": ".export",
    "summarize": ".networks.summary",
    "Suggestion": ".lr_finder",
    "find_learning_rate": ".lr_finder",
    "recipe_config": ".recipes",
    "Run": ".run.folder",
    "TrainConfig": ".config",
    "fit": ".train",
    "open_run": ".run.folder",
}


def _checked(module: str, package: str) -> Any:
    """Import a module; all but :class:`TrainConfig` need a backend of Keras."""
    if module == _HOMES["TrainConfig"] or "keras" in sys.modules:
        return import_module(module, package)
    check_backend()
    with needs_extra("train", "to train and export"), silenced():
        return import_module(module, package)


__getattr__, __dir__ = lazy_names(__name__, _HOMES, _checked)
