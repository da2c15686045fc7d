"""The inference half: an exported file, numpy, Pillow and onnxruntime. Nothing else.

The public names; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerascnn.inference.classifier import Classifier
    from kerascnn.inference.evaluation import evaluate_file
    from kerascnn.inference.foreign import Foreign
    from kerascnn.inference.labels import read_labels
    from kerascnn.inference.metrics import Evaluation
    from kerascnn.inference.prediction import Prediction, Ranked

__all__ = [
    "Classifier",
    "Evaluation",
    "Foreign",
    "Prediction",
    "Ranked",
    "evaluate_file",
    "read_labels",
]

_HOMES = {
    "Classifier": "classifier",
    "Evaluation": "metrics",
    "Foreign": "foreign",
    "Prediction": "prediction",
    "Ranked": "prediction",
    "evaluate_file": "evaluation",
    "read_labels": "labels",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
