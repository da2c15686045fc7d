"""Which quantization changes the fewest predictions, found by measuring.

Knows: the order in which ways are tried: every method first, then the first and last layer kept
in float32, then the most sensitive ones. Does not know files or cards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from kerascnn.language import count, sentence
from kerascnn.training.export.precision.quantize import (
    METHODS,
    Method,
    layers,
    measure_ranges,
    quantize,
)

Answer = Callable[[onnx.ModelProto, int], npt.NDArray[np.float32]]
"""Runs a network on the first so many pictures: float32 ``[pictures, classes]``, probabilities."""

_FEW = 64
"""Pictures on which each layer alone is tried."""


@dataclass(frozen=True)
class Candidate:
    """A quantized network and how it did.

    Attributes:
        method: How ranges were measured.
        kept: Layers in float32.
        model: The network.
        right: Share of right answers, 0 to 1.
        distance: Mean Kullback-Leibler divergence of its probabilities from those of float32.
    """

    method: Method
    kept: tuple[str, ...]
    model: onnx.ModelProto
    right: float
    distance: float


def search(
    core: onnx.ModelProto,
    pixels: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    answer: Answer,
    max_drop: float,
    tell: Callable[[str], object],
) -> Candidate:
    """Find the simplest way that keeps the accuracy, else the one that loses least.

    Args:
        core: The float32 network.
        pixels: float32 ``[pictures, 3, size, size]``, normalized, to measure ranges on.
        labels: int64, of the pictures that ``answer`` runs on.
        answer: Runs a network on those.
        max_drop: Share of right answers that may be lost, 0 to 1.
        tell: Called with a word on each step.
    """
    trial = _Trial(core, labels, answer)
    tell(sentence("measuring ranges"))
    ranges = {method: measure_ranges(core, pixels, method) for method in METHODS}
    tell(sentence("trying three ways to quantize"))
    best = max((trial.run(method, ranges[method], ()) for method in METHODS), key=_merit)
    more = _keep_more(trial, ranges[best.method], tell)
    while best.right < trial.right - max_drop and (kept := next(more, None)):
        best = max(best, trial.run(best.method, ranges[best.method], kept), key=_merit)
    return best


class _Trial:
    """The float32 network's answers, and how far others are from them."""

    def __init__(
        self, core: onnx.ModelProto, labels: npt.NDArray[np.int64], answer: Answer
    ) -> None:
        self.core, self._labels, self._answer = core, labels, answer
        self._expected = answer(core, len(labels))
        self.right = self._accuracy(self._expected)

    def run(self, method: Method, ranges: Any, kept: tuple[str, ...]) -> Candidate:
        model = quantize(self.core, ranges, kept)
        found = self._answer(model, len(self._labels))
        return Candidate(method, kept, model, self._accuracy(found), self._distance(found))

    def sensitivity(self, ranges: Any, layer: str, others: list[str]) -> float:
        """Measure what quantizing one layer alone does."""
        model = quantize(self.core, ranges, [name for name in others if name != layer])
        return self._distance(self._answer(model, min(_FEW, len(self._labels))))

    def _accuracy(self, found: npt.NDArray[np.float32]) -> float:
        return float((found.argmax(1) == self._labels).mean())

    def _distance(self, found: npt.NDArray[np.float32]) -> float:
        tiny = np.finfo(np.float32).tiny
        expected = self._expected[: len(found)]
        ratio = np.log(np.maximum(expected, tiny) / np.maximum(found, tiny))
        return float((expected * ratio).sum(axis=1).mean())


def _keep_more(
    trial: _Trial, ranges: Any, tell: Callable[[str], object]
) -> Iterator[tuple[str, ...]]:
    """Return sets of layers to keep in float32, small ones first."""
    names = layers(trial.core)
    yield tuple(dict.fromkeys((names[0], names[-1])))
    tell(sentence("trying {layers} one by one", layers=count(len(names), "layer")))
    order = sorted(names, key=lambda name: -trial.sensitivity(ranges, name, names))
    for share in (8, 4, 2):
        yield tuple(order[: max(1, len(order) // share)])


def _merit(candidate: Candidate) -> tuple[float, float]:
    return candidate.right, -candidate.distance
