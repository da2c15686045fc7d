"""kerascnn: from a folder of pictures to an image classifier in one ONNX file.

Holds the public names; each is imported on first use, so that ``import kerascnn`` is fast and the
inference half never imports Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerascnn.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kerascnn.card import ModelCard
    from kerascnn.errors import KerascnnError
    from kerascnn.inference import Classifier, Prediction

__all__ = [
    "Classifier",
    "KerascnnError",
    "ModelCard",
    "Prediction",
    "__version__",
    "convolution",
    "inference",
    "serving",
    "training",
]

_HOMES = {
    **dict.fromkeys(("convolution", "inference", "serving", "training")),
    "Classifier": "kerascnn.inference",
    "KerascnnError": "kerascnn.errors",
    "ModelCard": "kerascnn.card",
    "Prediction": "kerascnn.inference",
}

__getattr__, _ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, for completion."""
    return list(__all__)
