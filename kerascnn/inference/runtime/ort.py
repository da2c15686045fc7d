"""onnxruntime: the only module that imports it.

Knows: onnxruntime's names and errors, that a provider may be missing without a word. Does not know
cards, pictures or labels, nor what each provider wants (:mod:`kerascnn.inference.runtime.session`).
"""

from __future__ import annotations

import ctypes
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from kerascnn.errors import ModelFileError, ProviderError, needs_extra
from kerascnn.inference.runtime.providers import Provider

# onnxruntime's wheels from 1.29 on send telemetry unless told otherwise before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
with needs_extra("cpu", "to run an exported model"):
    import onnxruntime

__all__ = [
    "ERRORS_ONLY",
    "NAMES",
    "SILENT",
    "find_gpu_libraries",
    "load_errors",
    "missing_library",
    "onnxruntime",
    "opened",
    "reason",
    "silently",
]

_PLACES = re.compile(r"^(?:/\S+:\d+ .*?\) (?:\[with .*?\] )?)+")
"""What stands before the message of an error that a provider throws: file, line and signature,
once or twice."""

NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""Providers as onnxruntime calls them."""

WARNINGS, ERRORS_ONLY, SILENT = 2, 3, 4
"""onnxruntime's log severities, the first of which is its default. Those of a session's log are
about its own optimizer."""


def opened(
    path: str | Path, options: Any, provider: Provider, chosen: list[tuple[str, Any]] | None
) -> Any:
    """Open a session with a provider, or say why not.

    Args:
        path: Path of the ``.onnx`` file.
        options: Options for onnxruntime.
        provider: Execution provider.
        chosen: Its name as onnxruntime has it, and its options; None: ``options`` name it.

    Raises:
        ModelFileError: Not a model that can be loaded.
        ProviderError: The provider cannot start here, or onnxruntime fell back to another.
    """
    try:
        # Where a provider cannot start, onnxruntime would print so and go on with the CPU.
        session = onnxruntime.InferenceSession(
            str(path), options, providers=chosen, enable_fallback=0
        )
    except load_errors() as error:
        if type(error) is RuntimeError:  # of a provider; what is wrong with files has own types
            raise ProviderError(
                f"provider {provider}: it cannot start here "
                f"({missing_library(NAMES[provider]) or reason(error)}). kerascnn doctor shows "
                "what works and what is missing."
            ) from error
        raise ModelFileError(f"{path}: onnxruntime cannot load it ({reason(error)}).") from error
    # onnxruntime falls back to the CPU without a word where a provider's libraries are missing.
    if session.get_providers()[0] != NAMES[provider]:
        raise ProviderError(
            f"{path}: asked for provider {provider}, and onnxruntime gave "
            f"{session.get_providers()[0]}: "
            f"{missing_library(NAMES[provider]) or 'its libraries cannot be loaded here'}. "
            "kerascnn doctor shows what works and what is missing."
        )
    return session


def find_gpu_libraries() -> None:
    """Load CUDA and cuDNN where they are pip packages, which lie where no loader looks."""
    if hasattr(onnxruntime, "preload_dlls"):
        with redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()


def missing_library(name: str) -> str:
    """Find out why onnxruntime could not load a provider; it tells its log alone.

    Args:
        name: As onnxruntime has it. Only for one that has just failed: a provider's library that
            can be loaded must be loaded by onnxruntime.

    Returns:
        e.g. ``libcudnn.so.9: cannot open shared object file``; empty: no library is missing.
    """
    kind = name.removesuffix("ExecutionProvider").lower()
    pattern = f"*onnxruntime_providers_{kind}.*"
    for library in Path(onnxruntime.__file__).parent.glob(f"capi/{pattern}"):
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            driver = " (it belongs to NVIDIA's driver)" if "libcuda.so" in str(error) else ""
            return f"{reason(error)}{driver}"
    return ""


@contextmanager
def silently() -> Iterator[None]:
    """Silence onnxruntime's log while the block runs; errors carry the message."""
    onnxruntime.set_default_logger_severity(SILENT)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)


def reason(error: Exception) -> str:
    """Return an error's text in one line of at most 300 characters, without places in C++."""
    text = _PLACES.sub("", " ".join(str(error).split()))
    return text.split(" ; GPU=")[0][:300]


def load_errors() -> tuple[type[Exception], ...]:
    """List what onnxruntime raises for a file that it cannot load or run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile",
             "NotImplemented", "NoModel", "RuntimeException", "EPFail")  # fmt: skip
    found = tuple(getattr(state, name) for name in names if hasattr(state, name))
    return (*found, ValueError, RuntimeError, OSError)
