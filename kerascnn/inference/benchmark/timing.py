"""Times functions, interleaving those that are compared.

Knows: clocks and medians, and that interleaving spreads other load on the machine evenly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn.images import Shape
from kerascnn.inference.classifier import BATCH_SIZE, Classifier
from kerascnn.inference.runtime.providers import Provider
from kerascnn.inference.runtime.selection import Choice

ROUNDS = 9
"""Default rounds per comparison, of which the median is used."""

_SECONDS = 1.0
"""Target duration of a measurement, in seconds; slow networks exceed it for the fewest rounds."""

_FEWEST, _MOST = 5, 200
"""Limits of rounds: fewer give no useful median, more do not improve that of a fast network."""


@dataclass(frozen=True)
class Timing:
    """Duration of runs at one batch size."""

    batch: int  # pictures per run of the network
    images_per_second: float  # throughput at the median
    p50_ms: float  # median duration of a run
    p99_ms: float  # 99th percentile


def interleaved(works: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[list[float]]:
    """Call functions in turn, and return the seconds of each call, after one warm-up call."""
    for work in works:
        work()
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, taken in zip(works, seconds, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return seconds


def time_runs(work: Callable[[], object], batch: int) -> Timing:
    """Time a function for about a second."""
    ((first,),) = interleaved([work], 1)
    rounds = int(np.clip(_SECONDS / first, _FEWEST, _MOST))
    (taken,) = interleaved([work], rounds)
    middle, slow = np.percentile(taken, (50, 99))
    return Timing(batch, float(batch / middle), float(middle * 1e3), float(slow * 1e3))


def noise(batch: int, size: Shape) -> npt.NDArray[np.uint8]:
    """Generate uint8 ``[batch, *size, 3]`` for timing, which does not depend on the content."""
    return np.random.default_rng(0).integers(0, 256, (batch, *size, 3), np.uint8)


def compare_speed(before: Path, after: Path, provider: Provider) -> float:
    """Return the throughput of ``after`` divided by that of ``before``, on a provider.

    Raises:
        ProviderError: The provider does not run here.
    """
    # The minimum, and no spinning: under other load, threads that wait for one another lose whole
    # time slices, and a small network with many short operators looked twenty times slower.
    choice = Choice(provider, None, False, "compared")
    with Classifier(before, choice) as first, Classifier(after, choice) as second:
        pictures = noise(BATCH_SIZE, first.card.shape)
        runs = [lambda: first.run(pictures), lambda: second.run(pictures)]
        once = sum(seconds for (seconds,) in interleaved(runs, 1))
        taken = interleaved(runs, int(np.clip(_SECONDS / once, ROUNDS, _MOST)))
    return min(taken[0]) / min(taken[1])
