"""onnxruntime: the only module that imports it.

Knows: how a session is opened, with which provider, and what can go wrong. Does not know
cards, pictures or labels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

from kerascnn.errors import ConfigError, MissingExtraError, ModelFileError, ProviderError
from kerascnn.parallel import usable_cpus

# onnxruntime's wheels from 1.29 on send telemetry unless told otherwise before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime
except ModuleNotFoundError as missing:
    if missing.name != "onnxruntime":
        raise
    raise MissingExtraError("onnxruntime", "cpu", "to run an exported model") from missing

Provider = Literal["cpu"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

_NAMES: dict[str, str] = {"cpu": "CPUExecutionProvider"}

_ERRORS_ONLY = 3
"""onnxruntime's log severity; its warnings are about its own optimiser."""


def open_session(
    path: str | Path,
    provider: Provider = "cpu",
    threads: int | None = None,
    pinned: Mapping[str, int] | None = None,
) -> Any:
    """Open a model file.

    Args:
        path: Of the ``.onnx`` file.
        provider: Where it runs.
        threads: Of one inference; None: the processors this process may use. onnxruntime itself
            would count those of the host, not of the container.
        pinned: Dynamic axes of the input by name, with the size they shall have.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        ConfigError: No such provider.
        ModelFileError: Not a model that onnxruntime can load.
        ProviderError: The session runs on another provider than the one asked for.
    """
    if provider not in _NAMES:
        raise ConfigError(f"provider {provider!r} is not known. Choose one of: {', '.join(_NAMES)}.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads or usable_cpus()
    for axis, size in (pinned or {}).items():
        options.add_free_dimension_override_by_name(axis, size)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[_NAMES[provider]])
    except _load_errors() as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelFileError(f"{path}: onnxruntime cannot load it ({reason}).") from error
    if session.get_providers()[0] != _NAMES[provider]:
        raise ProviderError(
            f"{path}: asked for provider {provider}, got {session.get_providers()[0]}."
        )
    return session


def onnxruntime_version() -> str:
    """Give the version of the package that brought the module.

    Returns:
        For example ``1.32.0``.
    """
    return str(onnxruntime.__version__)


def available_providers() -> dict[str, str]:
    """List what this onnxruntime was built with.

    Returns:
        Execution providers by name, with the package that brought them.
    """
    package = next((name for name in ("onnxruntime-gpu", "onnxruntime") if _installed(name)), "")
    return {str(name): package for name in onnxruntime.get_available_providers()}


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _load_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile",
             "NotImplemented", "NoModel", "RuntimeException", "EPFail")  # fmt: skip
    return tuple(getattr(state, name) for name in names if hasattr(state, name))
