"""What is installed, what really works, and the pip line for what is missing.

Knows: which packages matter. Does not know how findings are shown. It lives beside the
commands because it alone looks at both halves, and either may be missing.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kerascnn import __version__
from kerascnn.errors import MissingExtraError

_PACKAGES = (
    "numpy",
    "pillow",
    "onnxruntime",
    "onnxruntime-gpu",
    "keras",
    "tensorflow",
    "jax",
    "onnx",
    "tf2onnx",
)


def diagnose() -> dict[str, Any]:
    """Look at this machine.

    Returns:
        ``versions`` by package (None: not installed), and for ``training`` and ``inference``:
        ``works``, ``devices`` by name with what was found, ``missing`` with the remedy.
    """
    return {
        "versions": {"kerascnn": __version__, "python": platform.python_version()}
        | {package: _version(package) for package in _PACKAGES},
        "training": _training(),
        "inference": _inference(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _training() -> dict[str, Any]:
    try:
        import keras
    except ModuleNotFoundError as error:
        remedy = MissingExtraError(str(error.name), "train", "to train and export")
        return {"works": False, "devices": {}, "missing": str(remedy)}
    backend = keras.config.backend()
    devices = dict.fromkeys(keras.distribution.list_devices(), f"used by {backend}")
    missing = [package for package in ("tensorflow", "onnx", "tf2onnx") if not _version(package)]
    remedy_text = ""
    if missing:
        remedy_text = str(MissingExtraError(", ".join(missing), "train", "to export"))
    return {"works": not missing, "devices": devices, "missing": remedy_text}


def _inference() -> dict[str, Any]:
    try:
        from kerascnn.inference.session import provider_states
    except MissingExtraError as error:
        return {"works": False, "devices": {}, "missing": str(error)}
    states = provider_states()
    return {"works": "works" in states.values(), "devices": states, "missing": ""}
