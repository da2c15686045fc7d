"""The search for the quantization that changes the fewest predictions.

Knows: the order of the candidates: every calibration method, then the first and last layer in
float32, then the most sensitive layers. Does not know: files, cards.
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
"""Runs a network on the first ``n`` pictures; returns probabilities, float32 ``[n, classes]``."""

_FEW = 64
"""Number of pictures on which the sensitivity of each layer is measured."""


@dataclass(frozen=True)
class Candidate:
    """A quantized network and its accuracy.

    Attributes:
        kept: Layers that stay float32.
        right: Top-1 accuracy, 0 to 1.
        distance: Mean Kullback-Leibler divergence from the probabilities of float32.
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
    """Find the simplest candidate that keeps the accuracy, else the most accurate one.

    Args:
        pixels: float32 ``[pictures, 3, size, size]``, normalized, to calibrate on.
        labels: Labels of the pictures that ``answer`` runs on, int64.
        answer: Runs a network on those pictures.
        max_drop: Top-1 accuracy that may be lost, 0 to 1.
    """
    trial = _Trial(core, labels, answer)
    tell(sentence("measuring ranges"))
    ranges = {method: measure_ranges(core, pixels, method) for method in METHODS}
    tell(sentence("trying three ways to quantize"))
    best = max((trial.run(method, ranges[method], ()) for method in METHODS), key=_score)
    more = _layers_to_keep(trial, ranges[best.method], tell)
    while best.right < trial.right - max_drop and (kept := next(more, None)):
        best = max(best, trial.run(best.method, ranges[best.method], kept), key=_score)
    return best


class _Trial:
    """The float32 network's predictions, and the distance of candidates from them."""

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
        """Measure the divergence if one layer alone is quantized."""
        model = quantize(self.core, ranges, [name for name in others if name != layer])
        return self._distance(self._answer(model, min(_FEW, len(self._labels))))

    def _accuracy(self, found: npt.NDArray[np.float32]) -> float:
        return float((found.argmax(1) == self._labels).mean())

    def _distance(self, found: npt.NDArray[np.float32]) -> float:
        tiny = np.finfo(np.float32).tiny
        expected = self._expected[: len(found)]
        ratio = np.log(np.maximum(expected, tiny) / np.maximum(found, tiny))
        return float((expected * ratio).sum(axis=1).mean())


def _layers_to_keep(
    trial: _Trial, ranges: Any, tell: Callable[[str], object]
) -> Iterator[tuple[str, ...]]:
    """Yield sets of layers to keep in float32, small ones first."""
    names = layers(trial.core)
    yield tuple(dict.fromkeys((names[0], names[-1])))
    tell(sentence("trying {layers} one by one", layers=count(len(names), "layer")))
    order = sorted(names, key=lambda name: -trial.sensitivity(ranges, name, names))
    for share in (8, 4, 2):
        yield tuple(order[: max(1, len(order) // share)])


def _score(candidate: Candidate) -> tuple[float, float]:
    return candidate.right, -candidate.distance
