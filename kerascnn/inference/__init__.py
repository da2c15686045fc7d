"""The inference half: an exported file, numpy, Pillow and onnxruntime. Nothing else.

The public names; each is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerascnn.lazy import lazy_names

if TYPE_CHECKING:
    from kerascnn.inference.classifier import Classifier
    from kerascnn.inference.evaluation import evaluate_file
    from kerascnn.inference.model_file.foreign import Foreign
    from kerascnn.inference.model_file.labels import read_labels
    from kerascnn.inference.prediction import Prediction, Ranked
    from kerascnn.metrics.classification import Evaluation, evaluate_answers

__all__ = [
    "Classifier",
    "Evaluation",
    "Foreign",
    "Prediction",
    "Ranked",
    "evaluate_answers",
    "evaluate_file",
    "read_labels",
]

_HOMES = {
    "Classifier": ".classifier",
    "Evaluation": "kerascnn.metrics.classification",
    "Foreign": ".model_file.foreign",
    "Prediction": ".prediction",
    "Ranked": ".prediction",
    "evaluate_answers": "kerascnn.metrics.classification",
    "evaluate_file": ".evaluation",
    "read_labels": ".model_file.labels",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
