"""The inference half: runs an exported file with only numpy, Pillow and onnxruntime.

Holds the public names; each is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerascnn.lazy import lazy_names

if TYPE_CHECKING:
    from kerascnn.inference.classifier import Classifier
    from kerascnn.inference.evaluation import evaluate_file
    from kerascnn.inference.model_file.foreign import Foreign, ForeignModel
    from kerascnn.inference.model_file.labels import read_labels
    from kerascnn.inference.prediction import Prediction, Ranked
    from kerascnn.metrics.classification import Evaluation, evaluate_predictions

__all__ = [
    "Classifier",
    "Evaluation",
    "Foreign",
    "ForeignModel",
    "Prediction",
    "Ranked",
    "evaluate_file",
    "evaluate_predictions",
    "read_labels",
]

_HOMES = {
    "Classifier": ".classifier",
    "Evaluation": "kerascnn.metrics.classification",
    "Foreign": ".model_file.foreign",
    "ForeignModel": ".model_file.foreign",
    "Prediction": ".prediction",
    "Ranked": ".prediction",
    "evaluate_predictions": "kerascnn.metrics.classification",
    "evaluate_file": ".evaluation",
    "read_labels": ".model_file.labels",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
