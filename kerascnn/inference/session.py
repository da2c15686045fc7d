"""onnxruntime: the only module that imports it.

Knows: how a session is opened, with which provider, and what can go wrong. Does not know
cards, pictures or labels, nor which provider to choose (:mod:`kerascnn.inference.choice`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.errors import MissingExtraError, ModelFileError, ProviderError
from kerascnn.inference.providers import Arithmetic, Provider, check_names, cuda_options
from kerascnn.inference.runner import Runner
from kerascnn.parallel import usable_cpus

# onnxruntime's wheels from 1.29 on send telemetry unless told otherwise before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime
except ModuleNotFoundError as missing:
    if missing.name != "onnxruntime":
        raise
    raise MissingExtraError("onnxruntime", "cpu", "to run an exported model") from missing

_NAMES: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

_PLUGIN = "kerascnn.openvino"
"""Under which name the plugin's library is registered in this process."""

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
    arithmetic: Arithmetic = "exact",
    spinning: bool = True,
) -> Runner:
    """Open a model file.

    Args:
        path: Of the ``.onnx`` file.
        provider: Where it runs; one of those that run here, not ``auto``.
        threads: Of one inference; None: the processors this process may use. onnxruntime itself
            would count those of the host, not of the container.
        pinned: Dynamic axes of the input by name, with the size they shall have.
        arithmetic: ``exact``: float32. ``fast``: what the provider likes best.
        spinning: Whether onnxruntime's threads wait busily for the next operator: quicker, and
            dear where other threads need the processors.

    Returns:
        The session, open.

    Raises:
        ConfigError: No such provider or arithmetic.
        ModelFileError: Not a model that can be loaded.
        ProviderError: The provider cannot run here; the message says what is missing.
    """
    check_names(provider, arithmetic)
    count = threads or usable_cpus()
    session = _session(path, provider, count, pinned or {}, arithmetic, spinning)
    return Runner(session, str(path), _load_errors())


def _session(
    path: str | Path,
    provider: Provider,
    threads: int,
    pinned: Mapping[str, int],
    arithmetic: Arithmetic,
    spinning: bool,
) -> Any:
    options = _options(threads, pinned, spinning)
    if provider == "openvino":
        if plugin_devices():
            return _open_plugin(path, options, threads, arithmetic)
        from kerascnn.inference.openvino import OpenVinoSession

        return OpenVinoSession(path, threads, pinned, arithmetic)
    if provider in ("cuda", "tensorrt"):
        _load_cuda(provider)
    chosen = [(_NAMES[provider], cuda_options(provider, arithmetic, str(path)))]
    return _opened(path, options, provider, chosen)


def plugin_devices() -> list[Any]:
    """List the devices of OpenVINO's plugin for onnxruntime.

    Returns:
        Empty where the plugin is not installed, or offers nothing: up to 1.8.1 it takes Intel's
        processors only (https://github.com/microsoft/onnxruntime/pull/31981), though OpenVINO
        itself runs on others.
    """
    try:
        import onnxruntime_ep_openvino as plugin
    except ModuleNotFoundError:
        return []
    name = plugin.get_ep_name()
    if not _devices(name):
        if not _processor_is_intel() and _has_runtime():
            return []  # the plugin's libraries would stay in memory beside the runtime's own
        try:
            onnxruntime.register_execution_provider_library(_PLUGIN, plugin.get_library_path())
        except _load_errors() as error:
            raise ProviderError(
                f"provider openvino: its plugin cannot be loaded ({_reason(error)}). Install "
                "versions that fit: pip install --upgrade 'kerascnn[openvino]'"
            ) from error
    return _devices(name)


def _devices(name: str) -> list[Any]:
    found = onnxruntime.get_ep_devices() if hasattr(onnxruntime, "get_ep_devices") else []
    kind = "OrtHardwareDeviceType.CPU"
    return [
        device for device in found if device.ep_name == name and str(device.device.type) == kind
    ]


def _processor_is_intel() -> bool:
    found = onnxruntime.get_ep_devices() if hasattr(onnxruntime, "get_ep_devices") else []
    return any("intel" in str(device.device.vendor).lower() for device in found)


def _has_runtime() -> bool:
    from importlib.util import find_spec

    return find_spec("openvino") is not None


def _open_plugin(path: str | Path, options: Any, threads: int, arithmetic: Arithmetic) -> Any:
    from kerascnn.inference.openvino import plugin_options

    options.add_provider_for_devices(plugin_devices()[:1], plugin_options(threads, arithmetic))
    return _opened(path, options, "openvino", None)


def _opened(
    path: str | Path, options: Any, provider: Provider, chosen: list[tuple[str, Any]] | None
) -> Any:
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=chosen)
    except _load_errors() as error:
        raise ModelFileError(f"{path}: onnxruntime cannot load it ({_reason(error)}).") from error
    # onnxruntime falls back to the CPU without a word where a provider's libraries are missing.
    if session.get_providers()[0] != _NAMES[provider]:
        raise ProviderError(
            f"{path}: asked for provider {provider}, and onnxruntime gave "
            f"{session.get_providers()[0]}: {provider}'s libraries cannot be loaded here. "
            "kerascnn doctor shows what works and what is missing."
        )
    return session


def _options(threads: int, pinned: Mapping[str, int], spinning: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    for axis, size in pinned.items():
        options.add_free_dimension_override_by_name(axis, size)
    return options


def _load_cuda(provider: Provider) -> None:
    """Find what CUDA and TensorRT need, or say what is missing."""
    if _NAMES[provider] not in onnxruntime.get_available_providers():
        extra = "" if provider == "cuda" else " tensorrt"
        raise ProviderError(
            f"provider {provider}: the onnxruntime that is installed was built without it. "
            "Install the one for NVIDIA's GPUs in its place: pip uninstall -y onnxruntime && "
            f"pip install 'kerascnn[gpu]'{extra}"
        )
    if hasattr(onnxruntime, "preload_dlls"):
        # CUDA and cuDNN as pip packages lie where no loader looks.
        onnxruntime.preload_dlls()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def run_session(
    path: str | Path, session: Runner, outputs: Sequence[str], feed: Mapping[str, npt.NDArray[Any]]
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
        return session.run(list(outputs), dict(feed), options)
    except ProviderError as error:
        shapes = ", ".join(f"{array.dtype} {list(array.shape)}" for array in feed.values())
        raise ModelFileError(
            f"{path}: the graph does not run on {shapes} ({error}). Is --image-size right?"
        ) from error


def provider_states() -> dict[str, str]:
    """Try every provider that this onnxruntime was built with.

    onnxruntime lists providers whose libraries are missing, and then runs on the CPU without a
    word; so each one is asked to run a model of one node.

    Returns:
        By name: ``works``, or why it does not.
    """
    names = [str(name) for name in onnxruntime.get_available_providers()]
    states = {name: _try(name) for name in names if name != _REMOTE}
    return states | {_NAMES["openvino"]: _try_openvino()}


def _try_openvino() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one_node.onnx")
        path.write_bytes(_ONE_NODE)
        try:
            how = "the plugin" if plugin_devices() else "OpenVINO's own runtime"
            open_session(path, "openvino").run(None, {"x": np.zeros(1, np.float32)})
        except (ProviderError, ModelFileError) as error:
            return str(error)
    return f"works ({how})"


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
    return (*found, ValueError, RuntimeError, OSError)
