"""A session with fixed input and output buffers on a device (IOBinding) and CUDA graphs.

Knows: onnxruntime's IOBinding, CUDA graphs and what those ask for
(https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview).
Does not know files, providers' options or pictures.

A plain run allocates room on the device for every input and output. Here each shape that comes
again has its own, and pictures are copied into it. A CUDA graph is a recording of all kernels of
one run; it reads and writes the very addresses that it was recorded with, and onnxruntime does
not check that they are the ones of this call. So one recording belongs to one shape and its places,
and is used only after it gave the answers of an ordinary run for pictures that it was not recorded
with.

onnxruntime keeps the recordings of each thread apart, and the device may do nothing else while one
is made. So one thread of the process does all of this, for every session.
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

PLACES = 8
"""How many shapes have a place of their own. Recordings are never given back to the device, and a
server whose batches have every size up to 32 would have one for each."""

_NEVER = "-1"
"""The number of a recording that is neither made nor replayed."""

_TOLERANCE = 1e-3
"""How far a replay may be from the run that it repeats, as a share of the largest answer: the
kernels are the same, but some sum in any order."""


_THREADS: dict[int, ThreadPoolExecutor] = {}
"""By process: after a fork the parent's thread is not there."""


def run_on_device_thread(work: Callable[[], T]) -> T:
    """Run work in the one thread that uses the device.

    Args:
        work: What to do; must not come here again.

    Returns:
        What it gives; what it raises is raised here.
    """
    thread = _THREADS.setdefault(os.getpid(), ThreadPoolExecutor(1, "kerascnn-device"))
    return thread.submit(work).result()


@dataclass(frozen=True)
class _Place:
    """Memory of the device for one shape.

    Attributes:
        binding: Binding of inputs and outputs.
        inputs: Values on the device, by name.
        options: Run options, which carry the number of the recorded CUDA graph.
    """

    binding: Any
    inputs: dict[str, Any]
    options: Any


class BoundSession:
    """An onnxruntime session with its inputs and outputs on a device.

    Args:
        session: Runs on ``device``.
        device: As onnxruntime names it: ``cuda`` or ``cpu``.
        without_graphs: Opens the session again, where this one was opened with
            ``enable_cuda_graph``, and should that fail; None: it was not.

    Several threads may call it at once; they take turns, as a device does anyway.
    """

    def __init__(
        self, session: Any, device: str, without_graphs: Callable[[], Any] | None = None
    ) -> None:
        self._session, self._device, self._without_graphs = session, device, without_graphs
        self._places: dict[tuple[Any, ...], _Place] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def run(
        self, names: Sequence[str] | None, feed: Feed, _options: Any = None
    ) -> list[npt.NDArray[Any]]:
        """Run the model.

        Returns:
            Outputs in the order of ``names``, in the host's memory.
        """
        wanted = tuple(names or [end.name for end in self.get_outputs()])
        arrays = {name: np.ascontiguousarray(array) for name, array in feed.items()}
        shape = (wanted, *((name, one.shape, one.dtype.str) for name, one in arrays.items()))
        return run_on_device_thread(lambda: self._run(shape, arrays))

    def _run(self, shape: tuple[Any, ...], arrays: Feed) -> list[npt.NDArray[Any]]:
        if shape in self._places:
            return self._at(self._places[shape], arrays)
        # A shape that comes once, as the last batch of many files, is not worth a place.
        if shape not in self._seen or len(self._places) == PLACES:
            self._seen.add(shape)
            return _host(self._ordinary(shape[0], arrays))
        return self._run_or_record(shape, arrays)

    def _ordinary(self, wanted: tuple[str, ...], arrays: Feed) -> _Place:
        """Run once; onnxruntime finds room for the outputs."""
        binding = self._session.io_binding()
        inputs = {name: self._value(array) for name, array in arrays.items()}
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name in wanted:
            binding.bind_output(name, self._device)
        place = _Place(binding, inputs, _numbered(_NEVER))
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
        number = str(len(self._places) + 1) if self._without_graphs else _NEVER
        place = _Place(binding, found.inputs, _numbered(number))
        if self._without_graphs and (why := self._cannot_record(place, arrays, expected)):
            log.warning("continues without CUDA graphs: %s", why)
            self._session, self._without_graphs = self._without_graphs(), None
            self._places.clear()
        else:
            self._places[shape] = place
        return expected

    def _cannot_record(
        self, place: _Place, arrays: Feed, expected: Sequence[npt.NDArray[Any]]
    ) -> str:
        """Record, and say why the recording is of no use; empty: it is."""
        try:
            # With other pictures: a replay that did not read the new ones would show.
            self._at(place, {name: np.zeros_like(array) for name, array in arrays.items()})
            found = self._at(place, arrays)
        except load_errors() as error:
            return reason(error)
        return "" if _alike(found, expected) else "a replay answers otherwise than a run"

    def _at(self, place: _Place, arrays: Feed) -> list[npt.NDArray[Any]]:
        for name, array in arrays.items():
            place.inputs[name].update_inplace(array)
        self._session.run_with_iobinding(place.binding, place.options)
        return _host(place)

    def _value(self, array: npt.NDArray[Any]) -> Any:
        if self._device == "cpu":  # there onnxruntime would share the array's own memory
            array = array.copy()
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, self._device, 0)

    def get_inputs(self) -> Sequence[Any]:
        """Describe the inputs, as onnxruntime does."""
        inputs: Sequence[Any] = self._session.get_inputs()
        return inputs

    def get_outputs(self) -> Sequence[Any]:
        """Describe the outputs, as onnxruntime does."""
        outputs: Sequence[Any] = self._session.get_outputs()
        return outputs

    def get_providers(self) -> list[str]:
        """Name what really runs it."""
        providers: list[str] = self._session.get_providers()
        return providers


def _numbered(number: str) -> Any:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", number)
    return options


def _host(place: _Place) -> list[npt.NDArray[Any]]:
    """Copy the outputs of the last run to the host."""
    return [np.array(value.numpy()) for value in place.binding.get_outputs()]


def _alike(found: Sequence[npt.NDArray[Any]], expected: Sequence[npt.NDArray[Any]]) -> bool:
    return all(
        np.allclose(one, other, rtol=0, atol=_TOLERANCE * max(1.0, float(np.abs(other).max())))
        for one, other in zip(found, expected, strict=True)
    )
