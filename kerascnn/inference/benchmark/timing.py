"""Taking time: what is compared is timed in turn, round by round.

Knows: clocks and medians. What else the machine does slows all that is compared alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerascnn.images import Shape
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.runtime.providers import Provider
from kerascnn.inference.runtime.selection import Choice

ROUNDS = 9
"""The median of so many is used."""

_SECONDS = 1.0
"""How long one thing is timed at most, but for the fewest rounds."""

_COMPARED = 32
"""Pictures a run when two files are compared."""

_FEWEST, _MOST = 5, 200
"""Rounds: fewer have no useful median, more add nothing to one of a fast network."""


@dataclass(frozen=True)
class Timing:
    """How long runs took.

    Attributes:
        batch: pictures per run of the network.
        images_per_second: At the median.
        p50_ms: Median of one run.
        p99_ms: What 99 of 100 runs stay below.
    """

    batch: int
    images_per_second: float
    p50_ms: float
    p99_ms: float


def interleaved(works: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[list[float]]:
    """Time several things in turn."""
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
    """Time one thing for about a second."""
    ((first,),) = interleaved([work], 1)
    rounds = int(np.clip(_SECONDS / first, _FEWEST, _MOST))
    (taken,) = interleaved([work], rounds)
    middle, slow = np.percentile(taken, (50, 99))
    return Timing(batch, float(batch / middle), float(middle * 1e3), float(slow * 1e3))


def noise(batch: int, size: Shape) -> npt.NDArray[np.uint8]:
    """Make random pictures for timing; their content does not affect it.

    Returns:
        uint8 ``[batch, *size, 3]``.
    """
    return np.random.default_rng(0).integers(0, 256, (batch, *size, 3), np.uint8)


def compare_speed(before: Path, after: Path, provider: Provider) -> float:
    """Measure how many times as fast one file is as another.

    Returns:
        Pictures a second of the second over those of the first.

    Raises:
        ProviderError: The provider does not run here.
    """
    # Not the median, and no spinning: beside other work, threads that wait for one another lose
    # whole time slices, and a small network in many short steps looked twenty times slower.
    choice = Choice(provider, None, False, "compared")
    with Classifier(before, choice) as first, Classifier(after, choice) as second:
        pictures = noise(_COMPARED, first.card.shape)
        runs = [lambda: first.run(pictures), lambda: second.run(pictures)]
        once = sum(seconds for (seconds,) in interleaved(runs, 1))
        taken = interleaved(runs, int(np.clip(_SECONDS / once, ROUNDS, _MOST)))
    return min(taken[0]) / min(taken[1])
