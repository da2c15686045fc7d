"""Diagnoses what is installed, what really works, and how to install what is missing.

Knows: the relevant packages. Does not know how findings are shown. It is in the ``cli`` package
because it examines both halves of kerascnn, either of which may be missing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerascnn import __version__
from kerascnn.errors import MissingExtraError, one_line
from kerascnn.machine import installed_version
from kerascnn.parallel import usable_cpus

_PACKAGES = (
    "numpy",
    "pillow",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-ep-openvino",
    "openvino",
    "keras",
    "tensorflow",
    "jax",
    "onnx",
    "tf2onnx",
)

_VARIABLES = (
    "KERAS_BACKEND",
    "KERAS_HOME",
    "CUDA_VISIBLE_DEVICES",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "XLA_FLAGS",
    "OMP_NUM_THREADS",
    "ORT_DISABLE_TELEMETRY",
    "PYTHONUTF8",
)
"""Environment variables that affect kerascnn or its libraries."""


def diagnose(environment: Mapping[str, str]) -> dict[str, Any]:
    """Collect facts about this machine.

    Args:
        environment: Variables as the user set them, before Keras and onnxruntime add their own.

    Returns:
        ``versions`` by package (None: not installed); ``machine``: ``platform`` and number of
        usable ``processors``; ``environment``: relevant variables that are set; and for
        ``training`` and ``inference``: ``works``, the state of ``devices`` by name, and ``missing``
        with the remedy, or "".
    """
    return {
        "versions": {"kerascnn": __version__, "python": platform.python_version()}
        | {package: installed_version(package) for package in _PACKAGES},
        "machine": {"platform": platform.platform(), "processors": usable_cpus()},
        "environment": {name: environment[name] for name in _VARIABLES if name in environment},
        "training": _training(),
        "inference": _inference(),
    }


def _training() -> dict[str, Any]:
    try:
        import keras

        from kerascnn.training.distribution.device import kernels

        backend = keras.config.backend()
        devices = {
            name: f"used by {backend}" + (f" with {kernels()}" if name.startswith("cpu") else "")
            for name in keras.distribution.list_devices()
        }
        devices |= _unused_gpu(backend, devices)
    except (ImportError, ValueError, RuntimeError) as error:
        return {"works": False, "devices": {}, "missing": _why_no_keras(error)}
    missing = [name for name in ("tensorflow", "onnx", "tf2onnx") if not installed_version(name)]
    remedy = ""
    if missing:
        remedy = str(MissingExtraError(", ".join(missing), "train", "to export"))
    return {"works": not missing, "devices": devices, "missing": remedy}


def _unused_gpu(
    backend: str, devices: Mapping[str, str], driver: Path = Path("/dev/nvidiactl")
) -> dict[str, str]:
    """Report an NVIDIA GPU that has a driver but is not used by the backend."""
    from kerascnn.training.distribution.device import GPU_EXTRA

    if not driver.exists() or any("gpu" in name or "cuda" in name for name in devices):
        return {}
    remedy = f"pip install '{GPU_EXTRA[backend]}'" if backend in GPU_EXTRA else "choose a backend"
    return {"NVIDIA GPU": f"has a driver, and {backend} does not use it: {remedy}"}


def _why_no_keras(error: Exception) -> str:
    if installed_version("keras") is None:
        return str(MissingExtraError("keras", "train", "to train and export"))
    backend = os.environ.get("KERAS_BACKEND", "")
    reason = one_line(error, 200)
    if backend not in ("", "tensorflow"):
        return (
            f"KERAS_BACKEND is {backend!r}, and Keras cannot load it ({reason}). "
            "kerascnn runs on tensorflow or jax: set it to one of them, or unset it."
        )
    return (
        f"Keras is installed but cannot be loaded ({reason}). Its backend is missing or broken: "
        "pip install --force-reinstall 'kerascnn[train]'"
    )


def _inference() -> dict[str, Any]:
    try:
        from kerascnn.inference.runtime.availability import provider_states
    except MissingExtraError as error:
        return {"works": False, "devices": {}, "missing": str(error)}
    except ImportError as error:
        reason = one_line(error, 200)
        return {"works": False, "devices": {}, "missing": _why_no_onnxruntime(reason)}
    states = provider_states()
    missing = ""
    if installed_version("onnxruntime") and installed_version("onnxruntime-gpu"):
        missing = (
            "onnxruntime and onnxruntime-gpu are both installed, and overwrite each other's files. "
            "Keep one: pip uninstall onnxruntime onnxruntime-gpu, then install one of the extras "
            "cpu and gpu."
        )
    return {"works": "works" in states.values(), "devices": states, "missing": missing}


def _why_no_onnxruntime(reason: str) -> str:
    windows = " On Windows it needs Microsoft's Visual C++ Redistributable."
    return (
        f"onnxruntime is installed but cannot be loaded ({reason})."
        f"{windows if platform.system() == 'Windows' else ''} "
        "Install it again: pip install --force-reinstall 'kerascnn[cpu]'"
    )
