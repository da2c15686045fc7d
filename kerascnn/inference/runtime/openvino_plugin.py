"""OpenVINO's plugin for onnxruntime: detects it, and opens a session with it.

Knows: how a plugin is registered, and which processors this one supports. Does not know OpenVINO's
settings or its own runtime (:mod:`kerascnn.inference.runtime.openvino`).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kerascnn.errors import ProviderError
from kerascnn.inference.runtime.openvino import plugin_options
from kerascnn.inference.runtime.ort import load_errors, onnxruntime, opened, reason
from kerascnn.inference.runtime.providers import Arithmetic

_PLUGIN = "kerascnn.openvino"
"""Name under which the plugin's library is registered in this process."""


def plugin_devices() -> list[Any]:
    """List the devices of OpenVINO's plugin for onnxruntime.

    Returns:
        The devices; empty if the plugin is not installed or offers none: up to 1.8.1 it supports
        only Intel's processors (https://github.com/microsoft/onnxruntime/pull/31981), though
        OpenVINO itself runs on others.
    """
    try:
        import onnxruntime_ep_openvino as plugin
    except ModuleNotFoundError:
        return []
    name = plugin.get_ep_name()
    if not _devices(name):
        if not _processor_is_intel() and find_spec("openvino"):
            return []  # else its libraries would stay in memory beside the runtime's
        try:
            onnxruntime.register_execution_provider_library(_PLUGIN, plugin.get_library_path())
        except load_errors() as error:
            raise ProviderError(
                f"provider openvino: its plugin cannot be loaded ({reason(error)}). Install "
                "versions that fit together: pip install --upgrade 'kerascnn[openvino]'"
            ) from error
    return _devices(name)


def _all_devices() -> list[Any]:  # since onnxruntime 1.23
    return onnxruntime.get_ep_devices() if hasattr(onnxruntime, "get_ep_devices") else []


def _devices(name: str) -> list[Any]:
    kind = "OrtHardwareDeviceType.CPU"
    return [one for one in _all_devices() if (one.ep_name, str(one.device.type)) == (name, kind)]


def _processor_is_intel() -> bool:
    return any("intel" in str(one.device.vendor).lower() for one in _all_devices())


def open_plugin(path: str | Path, options: Any, threads: int, arithmetic: Arithmetic) -> Any:
    """Open a file with the plugin.

    Raises:
        ModelFileError: Not a model that can be loaded.
    """
    options.add_provider_for_devices(plugin_devices()[:1], plugin_options(threads, arithmetic))
    return opened(path, options, "openvino", None)
