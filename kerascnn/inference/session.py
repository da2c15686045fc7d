"""onnxruntime: the only module that imports it.

Knows: how a session is opened, with which provider, and what can go wrong. Does not know
cards, pictures or labels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

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

_REMOTE = "AzureExecutionProvider"
"""Calls a service on the net for models made of such calls; it computes nothing itself."""

_ERRORS_ONLY, _SILENT = 3, 4
"""onnxruntime's log severities; its warnings are about its own optimiser."""

_ONE_NODE = (
    b'\x08\x07:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n'
    b"\n\x08\x08\x01\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""An ONNX model y = Identity(x), float32 [1]: the onnx package is not at hand here."""


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
        raise ConfigError(
            f"provider {provider!r} is not known. Choose one of: {', '.join(_NAMES)}."
        )
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


def run_session(
    path: str | Path, session: Any, outputs: Sequence[str], feed: Mapping[str, npt.NDArray[Any]]
) -> list[npt.NDArray[Any]]:
    """Run a session on what may not fit it: a graph that was made elsewhere.

    Args:
        path: Of the file, for messages.
        session: Of :func:`open_session`.
        outputs: Names of the outputs that are asked for.
        feed: Inputs by name.

    Returns:
        The outputs.

    Raises:
        ModelFileError: The graph does not run on this input.
    """
    options = onnxruntime.RunOptions()
    options.log_severity_level = _SILENT  # what it would log, it raises
    try:
        answers: list[npt.NDArray[Any]] = session.run(list(outputs), dict(feed), options)
    except _load_errors() as error:
        shapes = ", ".join(f"{array.dtype} {list(array.shape)}" for array in feed.values())
        reason = " ".join(str(error).split())[:300]
        raise ModelFileError(
            f"{path}: the graph does not run on {shapes} ({reason}). Is --image-size right?"
        ) from error
    return answers


def provider_states() -> dict[str, str]:
    """Try every provider that this onnxruntime was built with.

    onnxruntime lists providers whose libraries are missing, and then runs on the CPU without a
    word; so each one is asked to run a model of one node.

    Returns:
        By name: ``works``, or why it does not.
    """
    names = [str(name) for name in onnxruntime.get_available_providers()]
    return {name: _try(name) for name in names if name != _REMOTE}


def _try(name: str) -> str:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    try:
        session = onnxruntime.InferenceSession(_ONE_NODE, options, providers=[name])
        if session.get_providers()[0] != name:
            return f"does not load here (onnxruntime falls back to {session.get_providers()[0]})"
        session.run(None, {"x": np.zeros(1, np.float32)})
    except _load_errors() as error:
        return f"fails: {' '.join(str(error).split())[:200]}"
    return "works"


def _load_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile",
             "NotImplemented", "NoModel", "RuntimeException", "EPFail")  # fmt: skip
    found = tuple(getattr(state, name) for name in names if hasattr(state, name))
    return (*found, ValueError, RuntimeError)
