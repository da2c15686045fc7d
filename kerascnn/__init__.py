"""kerascnn: from a folder of pictures to an image classifier in one ONNX file.

The public names, and nothing heavy: each is imported when it is first used, so that
``import kerascnn`` costs nothing and the inference half never meets Keras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kerascnn.card import ModelCard
    from kerascnn.errors import KerascnnError
    from kerascnn.inference import Classifier, Prediction

__all__ = ["Classifier", "KerascnnError", "ModelCard", "Prediction", "__version__"]

_HOMES = {
    "Classifier": "kerascnn.inference",
    "KerascnnError": "kerascnn.errors",
    "ModelCard": "kerascnn.card",
    "Prediction": "kerascnn.inference",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
