"""Checks which execution providers really work on this machine.

Knows: a test model with one node. Does not know exported files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from kerascnn.errors import ModelFileError, ProviderError
from kerascnn.inference.runtime.openvino_plugin import plugin_devices
from kerascnn.inference.runtime.ort import (
    NAMES,
    SILENT,
    find_gpu_libraries,
    load_errors,
    missing_library,
    onnxruntime,
    reason,
    silently,
)
from kerascnn.inference.runtime.session import open_session

_REMOTE = "AzureExecutionProvider"
"""Provider that only calls a remote service, for models made of such calls; it is not tested."""

_ONE_NODE = (
    b'\x08\x07:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n'
    b"\n\x08\x08\x01\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""ONNX model y = Identity(x), float32 [1], in bytes because the onnx package is not required."""


def provider_states() -> dict[str, str]:
    """Try every provider that this onnxruntime was built with.

    onnxruntime also lists providers whose libraries are missing and then silently runs on the CPU,
    so each provider runs a model of one node.

    Returns:
        By name: ``works``, or why it does not.
    """
    find_gpu_libraries()
    names = [str(name) for name in onnxruntime.get_available_providers()]
    states = {name: _try_provider(name) for name in names if name != _REMOTE}
    return states | {NAMES["openvino"]: _try_openvino()}


def _try_openvino() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one_node.onnx")
        path.write_bytes(_ONE_NODE)
        try:
            kind = "the plugin" if plugin_devices() else "OpenVINO's own runtime"
            open_session(path, "openvino").run(None, {"x": np.zeros(1, np.float32)})
        except (ProviderError, ModelFileError) as error:
            return str(error)
    return f"works ({kind})"


def _try_provider(name: str) -> str:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    try:
        with silently():
            session = onnxruntime.InferenceSession(
                _ONE_NODE, options, providers=[name], enable_fallback=0
            )
        if session.get_providers()[0] != name:
            found = (
                missing_library(name) or f"onnxruntime uses {session.get_providers()[0]} instead"
            )
            return f"does not load here ({found})"
        session.run(None, {"x": np.zeros(1, np.float32)})
    except load_errors() as error:
        return f"fails: {missing_library(name) or reason(error)}"
    return "works"
