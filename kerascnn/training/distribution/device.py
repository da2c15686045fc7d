"""The device of training, its memory and kernels, and the seeds.

Knows: how each backend lists its devices, and why a GPU may be missing. Does not know: networks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import keras

from kerascnn.errors import ConfigError, one_line

GPU_EXTRA = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda13]"}
"""Requirement for pip with GPU support, by backend."""


def choose_device(wanted: str) -> str:
    """Choose the device before anything runs.

    Args:
        wanted: ``auto`` (a GPU if there is one), ``cpu`` or ``gpu``.

    Returns:
        Name of the device, e.g. ``cpu`` or ``gpu: NVIDIA H100 80GB HBM3``.

    Raises:
        ConfigError: A GPU is requested and cannot be used, with the reason; or the CPU is requested
            after the backend has begun to use a GPU.
    """
    if keras.config.backend() == "jax":
        return _choose_jax(wanted)
    return _choose_tensorflow(wanted)


def _choose_tensorflow(wanted: str) -> str:
    import tensorflow as tf

    if wanted == "cpu":
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError as error:
            if tf.config.list_logical_devices("GPU"):
                raise _too_late() from error
        return "cpu"
    found = tf.config.list_physical_devices("GPU")
    if not found:
        if wanted == "gpu":
            raise _no_gpu("tensorflow", "TensorFlow finds none")
        return "cpu"
    try:
        with tf.device("GPU:0"):
            float(tf.reduce_sum(tf.ones((8, 8)) @ tf.ones((8, 8))))
    except (tf.errors.OpError, RuntimeError) as error:
        raise _no_gpu("tensorflow", f"it does not compute: {_short(error)}") from error
    name = tf.config.experimental.get_device_details(found[0]).get("device_name", found[0].name)
    return f"gpu: {name}"


def _choose_jax(wanted: str) -> str:
    import jax

    if wanted == "cpu":
        jax.config.update("jax_platforms", "cpu")
        if jax.default_backend() != "cpu":
            raise _too_late()
        return "cpu"
    try:
        found = jax.devices("gpu")
    except RuntimeError as error:
        if wanted == "gpu":
            raise _no_gpu("jax", _short(error)) from error
        return str(jax.default_backend())
    return f"gpu: {found[0].device_kind}"


def _no_gpu(backend: str, reason: str) -> ConfigError:
    hints = [f"the {backend} backend has no GPU that it can use ({reason})."]
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        hints.append("CUDA_VISIBLE_DEVICES hides all of them: unset it.")
    if sys.platform == "linux" and not os.path.exists("/dev/nvidiactl"):  # noqa: PTH110
        hints.append("There is no NVIDIA driver on this machine (no /dev/nvidiactl).")
    hints.append(f"It needs a driver and: pip install '{GPU_EXTRA[backend]}'.")
    hints.append("Or train on the CPU: `device` cpu.")
    return ConfigError(" ".join(hints))


def _too_late() -> ConfigError:
    return ConfigError(
        "the backend uses a GPU already, so this process cannot change to the CPU. "
        "Start a new one, or choose the device auto."
    )


def _short(error: BaseException) -> str:
    return one_line(error, 200)


def start_deterministically(seed: int, every_operation: bool) -> None:
    """Seed Python, NumPy and the backend.

    Args:
        seed: From 0 to 2**32 - 1.
        every_operation: Whether to forbid operations whose result depends on thread timing.
    """
    if every_operation and keras.config.backend() == "jax":
        # Read when the first computation is compiled.
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    keras.utils.set_random_seed(seed)
    if every_operation and keras.config.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def kernels() -> str:
    """Return the name of the backend's CPU kernels.

    Returns:
        For TensorFlow ``oneDNN``, or ``Eigen (oneDNN is off)``, which is up to three times slower;
        for JAX ``XLA``; else the backend's name.
    """
    backend = str(keras.config.backend())
    if backend != "tensorflow":
        return "XLA" if backend == "jax" else backend
    # There is no public function for it; TensorFlow's own tests use this one.
    from tensorflow.python.util import _pywrap_util_port as build

    return "oneDNN" if build.IsMklEnabled() else "Eigen (oneDNN is off)"


def peak_memory() -> dict[str, int]:
    """Return peak bytes of memory: ``process`` (not on Windows), ``gpu`` if it is counted."""
    gpu = _gpu_statistics().get("peak")
    found = {} if gpu is None else {"gpu": int(gpu)}
    if sys.platform == "win32":
        return found
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, **found}


def free_memory(device: str) -> int | None:
    """Estimate free memory in bytes; None if unknown (TensorFlow on a GPU; a CPU outside Linux)."""
    if device != "cpu":
        statistics = _gpu_statistics()
        return statistics["limit"] - statistics["used"] if "limit" in statistics else None
    source = Path("/proc/meminfo")
    if not source.is_file():
        return None
    for line in source.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _gpu_statistics() -> dict[str, Any]:
    """Return ``peak``, ``used`` and ``limit`` in bytes, as far as the backend reports them."""
    if keras.config.backend() == "jax":
        import jax

        told = jax.local_devices()[0].memory_stats() or {}
        names = {"peak": "peak_bytes_in_use", "used": "bytes_in_use", "limit": "bytes_limit"}
        return {name: told[key] for name, key in names.items() if key in told}
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return {}
    told = tf.config.experimental.get_memory_info("GPU:0")
    return {"peak": told["peak"], "used": told["current"]}
