"""Measures the speed of a file with each setting, and the predictions that each changes.

Knows: the settings to compare. Does not know timing (:mod:`.timing`) or printing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.dataset import BUILTIN, load_dataset, sized_pictures
from kerascnn.errors import DataError, PictureError, ProviderError
from kerascnn.images import Shape
from kerascnn.inference.benchmark.timing import ROUNDS, Timing, interleaved, noise, time_runs
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.inference.runtime.providers import ARITHMETICS, PROVIDERS, Arithmetic, Provider
from kerascnn.inference.runtime.selection import Choice
from kerascnn.inference.runtime.tuned_settings import TunedSettings
from kerascnn.language import sentence
from kerascnn.parallel import usable_cpus

BATCHES = (1, 4, 16, 32, 64)
"""Batch sizes to time, from a single picture (latency) to full batches (throughput)."""

_MAX_PICTURES = 500
"""Maximum pictures on which changed predictions are counted: if one in a hundred changes, at least
one of these does with a probability of 99 %."""

_FEW_ROUNDS = 5
"""Rounds for comparing the settings of one provider, of which there may be six: fewer than for the
final measurement, because only their order matters."""


@dataclass(frozen=True)
class RunSettings:
    """Settings to run a file with."""

    provider: Provider
    arithmetic: Arithmetic
    threads: int
    spinning: bool


@dataclass(frozen=True)
class Measurement:
    """Speed and changed predictions for one combination of settings."""

    settings: RunSettings
    results: tuple[Timing, ...]  # one measurement per batch size
    pictures: int  # number of real pictures whose outputs were compared with exact ones on the CPU
    changed: int  # number of top-1 predictions that differ
    max_abs_diff: float  # largest difference of a probability

    @property
    def best(self) -> Timing:
        """The timing of the batch size with the highest throughput."""
        return max(self.results, key=lambda timing: timing.images_per_second)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        return {**values.pop("settings"), **values}


@dataclass(frozen=True)
class Benchmark:
    """Results for one file."""

    model: str
    # for each provider and grade of arithmetic, the best settings at every batch size
    measured: tuple[Measurement, ...]
    # the settings without a measurement: the CPU provider, one thread per processor
    default: Measurement
    unavailable: dict[str, str]  # by provider, why it does not run here
    # by grade, speedup of its fastest settings over the default, from interleaved runs
    gain: dict[Arithmetic, float] = field(default_factory=dict)

    def best(self, arithmetic: Arithmetic) -> Measurement:
        """Return the fastest settings of a grade, or the default if that is faster."""
        return self.fastest(arithmetic) if self.gain[arithmetic] > 1 else self.default

    def fastest(self, arithmetic: Arithmetic) -> Measurement:
        """Find the fastest settings of a grade; for ``exact``, without changed predictions."""
        allowed = [
            found
            for found in self.measured
            if arithmetic == "fast" or (found.settings.arithmetic == "exact" and not found.changed)
        ]
        return max(allowed, key=lambda found: found.best.images_per_second)

    def tuned_settings(self) -> dict[Arithmetic, TunedSettings]:
        """Return what :func:`kerascnn.inference.runtime.tuned_settings.save_settings` takes."""
        return {grade: _tuned_settings(self.best(grade)) for grade in ARITHMETICS}

    def to_dict(self, arithmetic: Arithmetic) -> dict[str, Any]:
        """Return plain values for JSON; ``results`` are those of the best settings of a grade."""
        best = self.best(arithmetic)
        return {
            "model": self.model,
            **asdict(best.settings),
            "gain": max(1.0, self.gain[arithmetic]),
            "results": [asdict(timing) for timing in best.results],
            "ways": [found.to_dict() for found in self.measured],
            "default": self.default.to_dict(),
            "unavailable": self.unavailable,
        }


def benchmark(
    model: str | Path,
    batches: Sequence[int] = BATCHES,
    pictures: npt.NDArray[np.uint8] | None = None,
    foreign: ForeignModel | None = None,
    progress: Callable[[str], object] = lambda _step: None,
) -> Benchmark:
    """Measure a file with all settings that can run here.

    ``pictures``: real ones, uint8 ``[pictures, height, width, 3]``, to count changed predictions.
    ``progress`` is called with a description of each step.
    """
    unavailable: dict[str, str] = {}
    measured = []
    with Classifier(model, "cpu", foreign=foreign) as reference:
        size = reference.card.shape
        real = pictures if pictures is not None else np.zeros((0, *size, 3), np.uint8)
        trial = _Trial(model, foreign, batches, size, real, _answers(reference, real))
        default = trial.measure(RunSettings("cpu", "exact", usable_cpus(), True))
        for candidates in _candidates():
            progress(f"{candidates[0].provider}, {candidates[0].arithmetic}")
            try:
                settings = trial.fastest(candidates)
                measured.append(
                    default if settings == default.settings else trial.measure(settings)
                )
            except ProviderError as error:
                unavailable[candidates[0].provider] = str(error)
    found = Benchmark(str(model), tuple(measured), default, unavailable)
    progress(sentence("comparing the best with the default"))
    return replace(found, gain={grade: trial.gain(found, grade) for grade in ARITHMETICS})


@dataclass(frozen=True)
class _Trial:
    """One file, the pictures to time it with, and the reference outputs."""

    model: str | Path
    foreign: ForeignModel | None
    batches: Sequence[int]
    size: Shape
    real: npt.NDArray[np.uint8]
    expected: npt.NDArray[np.float32]

    def open(self, settings: RunSettings) -> Classifier:
        choice = Choice(settings.provider, settings.threads, settings.spinning, "measured")
        return Classifier(self.model, choice, foreign=self.foreign, arithmetic=settings.arithmetic)

    def medians(self, candidates: Sequence[RunSettings], batch: int, rounds: int) -> list[float]:
        """Return the median seconds per batch for each setting, from interleaved runs."""
        pictures = noise(batch, self.size)
        with ExitStack() as stack:
            opened = [stack.enter_context(self.open(settings)) for settings in candidates]
            runs = [lambda one=one: one.run(pictures) for one in opened]
            return [float(np.median(taken)) for taken in interleaved(runs, rounds)]

    def fastest(self, candidates: Sequence[RunSettings]) -> RunSettings:
        return candidates[int(np.argmin(self.medians(candidates, max(self.batches), _FEW_ROUNDS)))]

    def measure(self, settings: RunSettings) -> Measurement:
        with self.open(settings) as classifier:
            found = _answers(classifier, self.real)
            timings = tuple(_timed(classifier, noise(one, self.size)) for one in self.batches)
        changed = int((found.argmax(1) != self.expected.argmax(1)).sum()) if len(found) else 0
        worst = float(np.abs(found - self.expected).max()) if len(found) else 0.0
        return Measurement(settings, timings, len(found), changed, worst)

    def gain(self, found: Benchmark, grade: Arithmetic) -> float:
        fastest = found.fastest(grade)
        if fastest.settings == found.default.settings:
            return 1.0
        candidates = [found.default.settings, fastest.settings]
        default, other = self.medians(candidates, fastest.best.batch, ROUNDS)
        return default / other


def real_pictures(
    model: str | Path, data: str | None, foreign: ForeignModel | None
) -> npt.NDArray[np.uint8] | None:
    """Read pictures to count changed predictions on.

    Args:
        model: The ``.onnx`` file, which determines the size and the built-in data set, if any.
        data: What :func:`kerascnn.dataset.load_dataset` takes, or None.
        foreign: Class names and preprocessing of a file that kerascnn did not export.

    Returns:
        uint8 ``[pictures, height, width, 3]``, at most 500; None if no data is known.

    Raises:
        DataError: ``data`` cannot be used.
    """
    with Classifier(model, "cpu", foreign=foreign) as classifier:
        card = classifier.card
    name = data or str(card.data.get("name"))
    if not data and name not in BUILTIN:
        return None
    _, split = load_dataset(name).choose()
    sized = sized_pictures(split.pictures, card.shape, card.resize_rule)
    good = (picture for picture in sized if not isinstance(picture, PictureError))
    found = list(islice(good, _MAX_PICTURES))
    if not found:
        raise DataError(f"{name}: no picture can be read.")
    return np.stack(found)


def _candidates() -> Iterator[list[RunSettings]]:
    """Yield settings by provider and grade; only the best of each group is measured fully."""
    counts = sorted({1, usable_cpus(), max(1, usable_cpus() // 2)})
    for provider in PROVIDERS:
        # The CPU provider computes both grades alike; on GPUs, threads do not matter.
        grades: Sequence[Arithmetic] = ("exact",) if provider == "cpu" else ARITHMETICS
        threads = counts if provider in ("cpu", "openvino") else counts[-1:]
        spins = (True, False) if provider == "cpu" else (True,)
        for grade in grades:
            yield [RunSettings(provider, grade, count, spin) for count in threads for spin in spins]


def _timed(classifier: Classifier, pictures: npt.NDArray[np.uint8]) -> Timing:
    return time_runs(lambda: classifier.run(pictures), len(pictures))


def _answers(classifier: Classifier, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    starts = range(0, len(pictures), max(BATCHES))
    parts = [classifier.run(pictures[at : at + max(BATCHES)])[1] for at in starts]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _tuned_settings(found: Measurement) -> TunedSettings:
    settings, best = found.settings, found.best
    return TunedSettings(
        settings.provider, settings.threads, settings.spinning, best.batch, best.images_per_second
    )
