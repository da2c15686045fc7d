"""onnxruntime: the only module that imports it.

Knows: onnxruntime's names and errors, and that it silently ignores a missing provider. Does not
know cards, pictures, labels, or provider options (:mod:`kerascnn.inference.runtime.session`).
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

from kerascnn.errors import KerascnnError, ModelFileError, ProviderError, needs_extra
from kerascnn.inference.runtime.providers import Provider

# onnxruntime's wheels from 1.29 on send telemetry unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
with needs_extra("cpu", "to run an exported model"):
    import onnxruntime as onnxruntime

_PLACES = re.compile(
    r"^(?:\[ONNXRuntimeError\] : \d+ : \w+ : )?(?:Load model from .*? failed: ?)?"
    r"(?:/\S+:\d+ .*?\) (?:const )?(?:\[with .*?\] )?)*"
)
"""What precedes the message of an error: its number, the path, and the C++ file, line and signature
where it was raised, once or twice."""

_ADVICE = {
    r"ai\.onnx\.contrib": (
        " It has operators of onnxruntime-extensions, which kerascnn does not load. Export the "
        "model without them: kerascnn reads, resizes and normalizes pictures itself."
    ),
    "Stateful|Stateless|ImageProjectiveTransform": (
        " It has an operator of TensorFlow that the exporter left as it is. Save the model with "
        "Keras (model.save('model.keras')) and convert that: kerascnn export model.keras --onnx "
        "--labels FILE, which leaves out augmentation."
    ),
    r"model IR version|under development and support for this is limited": (
        " It was written for a later version of ONNX than onnxruntime {version} knows: update "
        "onnxruntime, or export it for an earlier opset."
    ),
    "find an implementation": (
        " onnxruntime {version} lacks this operator, or has it only for other data types: "
        "export it in float32, or update onnxruntime."
    ),
    r"not a registered function/op|No Op registered|find kernel": (
        " It has an operator that onnxruntime {version} lacks: update onnxruntime, or export it "
        "with ONNX's own operators alone."
    ),
}
"""What to do, by what onnxruntime says about a file that it cannot load."""

NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""onnxruntime's names of the providers."""

WARNINGS, ERRORS_ONLY, SILENT = 2, 3, 4
"""onnxruntime's log severities; the first is its default. Sessions log errors only, because their
warnings are about onnxruntime's own optimizer."""


def opened(
    path: str | Path, options: Any, provider: Provider, chosen: list[tuple[str, Any]] | None
) -> Any:
    """Open a session with a provider.

    ``chosen``: onnxruntime's name of it, and its options; None if ``options`` contain the device.

    Raises:
        ModelFileError: Not a model that can be loaded.
        ProviderError: The provider cannot start here, or onnxruntime fell back to another.
    """
    try:
        # Without this, onnxruntime prints a warning and continues on the CPU if a provider fails.
        session = onnxruntime.InferenceSession(
            _readable(path), options, providers=chosen, enable_fallback=0
        )
    except load_errors() as error:
        raise _cannot_open(path, provider, error) from error
    # onnxruntime silently falls back to the CPU if a provider's libraries are missing.
    if session.get_providers()[0] != NAMES[provider]:
        raise ProviderError(
            f"{path}: asked for provider {provider}, and onnxruntime gave "
            f"{session.get_providers()[0]}: "
            f"{missing_library(NAMES[provider]) or 'its libraries cannot be loaded here'}. "
            "kerascnn doctor shows what works and what is missing."
        )
    return session


def _readable(path: str | Path) -> str | bytes:
    """Return a path, or the file's content if onnxruntime, which writes paths in UTF-8, cannot."""
    try:
        if str(path).encode() == os.fsencode(path):
            return str(path)
    except UnicodeEncodeError:  # bytes that are not UTF-8, as surrogates
        pass
    return Path(path).read_bytes()


def _cannot_open(path: str | Path, provider: Provider, error: Exception) -> KerascnnError:
    if type(error) is RuntimeError:  # from a provider; errors about files have their own types
        return ProviderError(
            f"provider {provider}: it cannot start here "
            f"({missing_library(NAMES[provider]) or reason(error)}). kerascnn doctor shows what "
            "works and what is missing."
        )
    said, version = str(error), onnxruntime.__version__
    advice = next((what for sign, what in _ADVICE.items() if re.search(sign, said)), "")
    return ModelFileError(
        f"{path}: onnxruntime cannot load it ({reason(error)}).{advice.format(version=version)}"
    )


def find_gpu_libraries() -> None:
    """Load CUDA and cuDNN from pip packages, which are not on the loader's search path."""
    with redirect_stdout(io.StringIO()):  # it prints the libraries that it does not find
        onnxruntime.preload_dlls()


def missing_library(name: str) -> str:
    """Find out why onnxruntime could not load a provider, which it only writes to its log.

    Args:
        name: onnxruntime's name of a provider that has just failed: a library that can be loaded
            must be loaded by onnxruntime.

    Returns:
        E.g. ``libcudnn.so.9: cannot open shared object file``; empty if no library is missing.
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
    """Return an error's text in one line of at most 300 characters, without C++ locations.

    Examples:
        >>> reason(ValueError("[ONNXRuntimeError] : 1 : FAIL : No such operator"))
        'No such operator'
    """
    text = _PLACES.sub("", " ".join(str(error).split()))
    return text.split(" ; GPU=")[0][:300]


def load_errors() -> tuple[type[Exception], ...]:
    """Return the exception types that onnxruntime raises for a file that it cannot load or run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile",
             "NotImplemented", "NoModel", "RuntimeException", "EPFail")  # fmt: skip
    found = tuple(getattr(state, name) for name in names if hasattr(state, name))
    return (*found, ValueError, RuntimeError, OSError)
