"""A session with fixed input and output buffers on a device (IOBinding) and CUDA graphs.

Knows: onnxruntime's IOBinding, CUDA graphs and their requirements
(https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview).
Does not know files, provider options or pictures.

A plain run allocates device memory for every input and output. Here each shape that recurs has its
own buffers, into which pictures are copied. A CUDA graph captures all kernels of one run; it reads
and writes the addresses that it was captured with, and onnxruntime does not check that they match
the call. So each graph belongs to one shape and its buffers, and is used only after a replay on
pictures other than the captured ones has reproduced an ordinary run.

onnxruntime keeps graphs per thread, and the device must be idle otherwise during capture. So one
thread of the process does all of this, for every session.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from kerascnn.inference.runtime.ort import load_errors, onnxruntime, reason

log = logging.getLogger(__name__)

T = TypeVar("T")
Feed: TypeAlias = Mapping[str, npt.NDArray[Any]]

MAX_SHAPES = 8
"""Maximum number of shapes with their own buffers. The memory of captured graphs is never freed,
and a server with batches of every size up to 32 would have one graph for each."""

_NO_GRAPH = "-1"
"""``gpu_graph_id`` of a run that is neither captured nor replayed."""

_TOLERANCE = 1e-3
"""Allowed difference between a replay and an ordinary run, relative to the largest output: the
kernels are the same, but the order of some sums is not fixed."""


_THREADS: dict[int, ThreadPoolExecutor] = {}
"""Device thread by process ID: after a fork the parent's thread does not exist."""


def run_on_device_thread(work: Callable[[], T]) -> T:
    """Run a function, which must not call this one, in the one thread that uses the device."""
    thread = _THREADS.setdefault(os.getpid(), ThreadPoolExecutor(1, "kerascnn-device"))
    return thread.submit(work).result()


@dataclass(frozen=True)
class _Buffers:
    """Device buffers for one shape: binding, inputs by name, and run options with its graph."""

    binding: Any
    inputs: dict[str, Any]
    options: Any


class BoundSession:
    """An onnxruntime session with input and output buffers on a device.

    Args:
        session: Session that runs on ``device``.
        device: Device as named by onnxruntime: ``cuda`` or ``cpu``.
        without_graphs: Opens the session again without CUDA graphs, if these fail; None if
            ``session`` was opened without them.

    Several threads may call it at once; their runs are serialized, as the device does anyway.
    """

    def __init__(
        self, session: Any, device: str, without_graphs: Callable[[], Any] | None = None
    ) -> None:
        self._session, self._device, self._without_graphs = session, device, without_graphs
        self._places: dict[tuple[Any, ...], _Buffers] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def run(
        self, names: Sequence[str] | None, feed: Feed, _options: Any = None
    ) -> list[npt.NDArray[Any]]:
        """Run the model; the outputs are in the order of ``names``, in the host's memory."""
        wanted = tuple(names or [end.name for end in self.get_outputs()])
        arrays = {name: np.ascontiguousarray(array) for name, array in feed.items()}
        shape = (wanted, *((name, one.shape, one.dtype.str) for name, one in arrays.items()))
        return run_on_device_thread(lambda: self._run(shape, arrays))

    def _run(self, shape: tuple[Any, ...], arrays: Feed) -> list[npt.NDArray[Any]]:
        if shape in self._places:
            return self._replay(self._places[shape], arrays)
        # A shape that occurs once, such as the last batch of many files, is not worth buffers.
        if shape not in self._seen or len(self._places) == MAX_SHAPES:
            self._seen.add(shape)
            return _host(self._ordinary(shape[0], arrays))
        return self._run_or_record(shape, arrays)

    def _ordinary(self, wanted: tuple[str, ...], arrays: Feed) -> _Buffers:
        """Run once; onnxruntime allocates the outputs."""
        binding = self._session.io_binding()
        inputs = {name: self._value(array) for name, array in arrays.items()}
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name in wanted:
            binding.bind_output(name, self._device)
        place = _Buffers(binding, inputs, _run_options(_NO_GRAPH))
        self._session.run_with_iobinding(binding, place.options)
        return place

    def _run_or_record(self, shape: tuple[Any, ...], arrays: Feed) -> list[npt.NDArray[Any]]:
        """Allocate buffers for a shape, and capture a graph if it reproduces an ordinary run."""
        wanted = shape[0]
        found = self._ordinary(wanted, arrays)
        expected, room = _host(found), found.binding.get_outputs()
        binding = self._session.io_binding()
        for name, value in found.inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, value in zip(wanted, room, strict=True):
            binding.bind_ortvalue_output(name, value)
        number = str(len(self._places) + 1) if self._without_graphs else _NO_GRAPH
        place = _Buffers(binding, found.inputs, _run_options(number))
        if self._without_graphs and (why := self._cannot_record(place, arrays, expected)):
            log.warning("continues without CUDA graphs: %s", why)
            self._session, self._without_graphs = self._without_graphs(), None
            self._places.clear()
        else:
            self._places[shape] = place
        return expected

    def _cannot_record(
        self, place: _Buffers, arrays: Feed, expected: Sequence[npt.NDArray[Any]]
    ) -> str:
        """Capture a CUDA graph, and return why it is unusable; empty if it is usable."""
        try:
            # Captured with zeros, so that a replay that does not read its input is detected.
            self._replay(place, {name: np.zeros_like(array) for name, array in arrays.items()})
            found = self._replay(place, arrays)
        except load_errors() as error:
            return reason(error)
        return (
            ""
            if _all_close(found, expected)
            else "a replayed graph and an ordinary run give different outputs"
        )

    def _replay(self, place: _Buffers, arrays: Feed) -> list[npt.NDArray[Any]]:
        for name, array in arrays.items():
            place.inputs[name].update_inplace(array)
        self._session.run_with_iobinding(place.binding, place.options)
        return _host(place)

    def _value(self, array: npt.NDArray[Any]) -> Any:
        if self._device == "cpu":  # else onnxruntime would share the array's memory
            array = array.copy()
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, self._device, 0)

    def get_inputs(self) -> Any:
        """Describe the inputs, as onnxruntime does."""
        return self._session.get_inputs()

    def get_outputs(self) -> Any:
        """Describe the outputs, as onnxruntime does."""
        return self._session.get_outputs()


def _run_options(number: str) -> Any:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", number)
    return options


def _host(place: _Buffers) -> list[npt.NDArray[Any]]:
    """Copy the outputs of the last run to host memory."""
    return [np.array(value.numpy()) for value in place.binding.get_outputs()]


def _all_close(found: Sequence[npt.NDArray[Any]], expected: Sequence[npt.NDArray[Any]]) -> bool:
    return all(
        np.allclose(one, other, rtol=0, atol=_TOLERANCE * max(1.0, float(np.abs(other).max())))
        for one, other in zip(found, expected, strict=True)
    )
