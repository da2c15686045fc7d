"""The provenance of a model: library versions and a hash of its weights.

Knows: what is recorded. Does not know: where it is recorded.
"""

from __future__ import annotations

import hashlib
import platform
from typing import TYPE_CHECKING

import numpy as np

from kerascnn import __version__
from kerascnn.machine import installed_version
from kerascnn.training.keras_backend import backend_name

if TYPE_CHECKING:
    import keras

_PACKAGES = ("keras", "tensorflow", "jax", "numpy", "pillow", "onnx", "tf2onnx", "onnxruntime")


def versions() -> dict[str, str]:
    """Return the versions of kerascnn, Python and the libraries, and the backend."""
    found = {"kerascnn": __version__, "python": platform.python_version()}
    packages = {name: there for name in _PACKAGES if (there := installed_version(name))}
    return {**found, **packages, "backend": backend_name()}


def weights_sha256(model: keras.Model) -> str:
    """Hash all weights of a model, statistics included, in its order: SHA-256 in hexadecimal."""
    from keras import ops

    digest = hashlib.sha256()
    for variable in model.weights:
        value = ops.convert_to_numpy(variable.value)
        digest.update(f"{variable.path}{value.shape}{value.dtype}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
