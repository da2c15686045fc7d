"""OpenVINO: its settings, and a session in its own runtime.

Knows: OpenVINO's settings, and the methods of an onnxruntime session that kerascnn uses. Does not
know cards or pictures. OpenVINO's own runtime reads the same file; it is for processors that its
onnxruntime plugin does not support (anything but Intel's).
"""

from __future__ import annotations

import json
import logging
import queue
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ModelFileError, ProviderError, one_line
from kerascnn.inference.runtime.providers import Arithmetic

log = logging.getLogger(__name__)

_TYPES = {"u8": "tensor(uint8)", "f32": "tensor(float)", "f16": "tensor(float16)",
          "i64": "tensor(int64)", "i32": "tensor(int32)", "f64": "tensor(double)"}  # fmt: skip
"""onnxruntime's names of element types, by OpenVINO's."""


def settings(threads: int, arithmetic: Arithmetic) -> dict[str, str]:
    """Return OpenVINO's settings; ``exact`` disables bfloat16, the default where it exists."""
    # A pinned thread waits for its core while a decoding thread occupies it: with decoding in
    # parallel, a small network was fifteen times slower.
    chosen = {"INFERENCE_NUM_THREADS": str(threads), "PERFORMANCE_HINT": "LATENCY",
              "ENABLE_CPU_PINNING": "NO"}  # fmt: skip
    return chosen | ({"INFERENCE_PRECISION_HINT": "f32"} if arithmetic == "exact" else {})


def plugin_options(threads: int, arithmetic: Arithmetic) -> dict[str, str]:
    """Return the settings as options of the onnxruntime plugin."""
    return {"load_config": json.dumps({"CPU": settings(threads, arithmetic)})}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output, with the attributes of onnxruntime's NodeArg."""

    name: str
    type: str
    shape: list[int | None]


class OpenVinoSession:
    """A file in OpenVINO's own runtime, with the methods of an onnxruntime session.

    Args:
        path: Path of the ``.onnx`` file.
        threads: Threads per inference.
        pinned: Sizes of dynamic axes by name; only ``height`` and ``width`` are used.
        arithmetic: ``exact`` or ``fast``.
        full_batch: Batch size for which the network is additionally compiled; None: compile it
            for a dynamic batch size only.

    Raises:
        ModelFileError: Not a model that OpenVINO can load.
        ProviderError: OpenVINO is not installed, or its plugin offers no device here.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int,
        pinned: Mapping[str, int],
        arithmetic: Arithmetic,
        full_batch: int | None = None,
    ) -> None:
        openvino = _import()
        core = openvino.Core()
        # Memory-mapped weights would change the outputs if their file is overwritten in place.
        core.set_property({"ENABLE_MMAP": False})
        try:
            model = core.read_model(str(path))
            model.reshape(_pinned_shapes(model, pinned))
            chosen = settings(threads, arithmetic)
            self._any = _Network(core.compile_model(model, "CPU", chosen))
        except RuntimeError as error:
            reason = one_line(error)
            raise ModelFileError(f"{path}: OpenVINO cannot load it ({reason}).") from error
        self._full_batch, self._full = full_batch, None
        try:
            if full_batch is not None and _fix_batch(model, full_batch):
                self._full = _Network(core.compile_model(model, "CPU", chosen))
        except RuntimeError as error:
            log.info("%s: not compiled for %d pictures (%s)", path, full_batch, one_line(error))

    def run(
        self,
        names: Sequence[str] | None,
        feed: Mapping[str, npt.NDArray[Any]],
        _options: Any = None,
    ) -> list[npt.NDArray[Any]]:
        """Run the model; safe to call from several threads at once."""
        count = len(next(iter(feed.values())))
        full = self._full if count == self._full_batch else None
        return (full or self._any).run(names or [end.name for end in self.get_outputs()], feed)

    def get_inputs(self) -> list[TensorInfo]:
        """Describe the inputs."""
        return [_tensor_info(port) for port in self._any.compiled.inputs]

    def get_outputs(self) -> list[TensorInfo]:
        """Describe the outputs."""
        return [_tensor_info(port) for port in self._any.compiled.outputs]


class _Network:
    """A compiled network, with one inference request per concurrent call."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        # A request serves one call at a time, so concurrent calls each take their own.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run(
        self, names: Sequence[str], feed: Mapping[str, npt.NDArray[Any]]
    ) -> list[npt.NDArray[Any]]:
        """Run the network in an idle request."""
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self.compiled.create_infer_request()
        try:
            inputs = {name: np.ascontiguousarray(value) for name, value in feed.items()}
            request.infer(inputs, share_inputs=True)
            # Copied, because the next call reuses the request's memory.
            return [np.array(request.get_tensor(name).data) for name in names]
        finally:
            self._idle.put(request)


def _import() -> Any:
    from importlib.util import find_spec

    try:
        with _no_telemetry():
            import openvino
    except ModuleNotFoundError as missing:
        if missing.name != "openvino":
            raise
        package = "onnxruntime-ep-openvino"
        why = f"the package {package} is not installed"
        if find_spec("onnxruntime_ep_openvino"):
            why = f"the package {package} offers no device here (it takes Intel's processors only), and OpenVINO's own runtime is not installed"  # noqa: E501 # fmt: skip
        raise ProviderError(
            f"provider openvino: {why}. Install it: pip install 'kerascnn[openvino]'"
        ) from missing
    return openvino


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Keep OpenVINO from reporting its import over the network, by hiding its telemetry package."""
    name = "openvino_telemetry"
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment] # Python's own way to forbid an import
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


def _pinned_shapes(model: Any, pinned: Mapping[str, int]) -> dict[str, list[int]]:
    """Fix height and width of every four-dimensional input whose axes 1 and 2 are dynamic."""
    shapes = {}
    for port in model.inputs:
        sizes = [-1 if axis.is_dynamic else axis.get_length() for axis in port.partial_shape]
        for place, axis in ((1, "height"), (2, "width")):
            if axis in pinned and len(sizes) == 4 and sizes[place] == -1:
                sizes[place] = pinned[axis]
        shapes[port.any_name] = sizes
    return shapes


def _fix_batch(model: Any, count: int) -> bool:
    """Fix the batch size; return False if it is already fixed, or the model has no batch axis.

    OpenVINO then skips what dynamic sizes require at each run, such as converting the layout of
    pixels: 25 % of the time of a small network, 3 % of a large one.
    """
    [port, *others] = model.inputs
    shape = port.partial_shape
    if others or not shape.rank.is_static or not len(shape) or shape[0].is_static:
        return False
    shape[0] = count
    model.reshape({port.any_name: shape})
    return True


def _tensor_info(port: Any) -> TensorInfo:
    shape = [None if axis.is_dynamic else axis.get_length() for axis in port.partial_shape]
    kind = port.element_type.get_type_name()
    return TensorInfo(port.any_name, _TYPES.get(kind, f"tensor({kind})"), shape)
