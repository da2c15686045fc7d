"""How fast a file runs here, in which way, and what a quicker way changes.

Knows: which ways there are. Does not know how time is taken (:mod:`.timing`), nor printing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.dataset import BUILTIN, load_dataset, sized_pictures
from kerascnn.errors import DataError, PictureError, ProviderError
from kerascnn.inference.choice import Choice
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.foreign import Foreign
from kerascnn.inference.providers import ARITHMETICS, PROVIDERS, Arithmetic, Provider
from kerascnn.inference.settings import Setting
from kerascnn.inference.timing import Timing, interleaved, noise, time_runs
from kerascnn.parallel import usable_cpus

BATCHES = (1, 4, 16, 32, 64)

_REAL = 500
"""Pictures on which changed answers are counted."""

_FEW = 5
"""Rounds in which the ways of one provider are compared."""


@dataclass(frozen=True)
class Way:
    """One way to run a file.

    Attributes:
        provider: Where.
        arithmetic: ``exact`` or ``fast``.
        threads: Of one inference.
        spinning: Whether onnxruntime's threads wait busily.
    """

    provider: Provider
    arithmetic: Arithmetic
    threads: int
    spinning: bool


@dataclass(frozen=True)
class Measured:
    """What one way does.

    Attributes:
        way: Which.
        results: One for each batch size.
        pictures: On how many real pictures its answers were compared with exact ones on the CPU.
        changed: How many first answers differ.
        max_abs_diff: The largest difference of a probability.
    """

    way: Way
    results: tuple[Timing, ...]
    pictures: int
    changed: int
    max_abs_diff: float

    @property
    def best(self) -> Timing:
        """The batch with the most pictures a second."""
        return max(self.results, key=lambda timing: timing.images_per_second)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        values = asdict(self)
        return {**values.pop("way"), **values}


@dataclass(frozen=True)
class Benchmark:
    """What was found for one file.

    Attributes:
        model: The file.
        measured: The best threads and spinning of each provider and grade, at every batch size.
        unavailable: By provider, why it does not run here.
    """

    model: str
    measured: tuple[Measured, ...]
    unavailable: dict[str, str]

    def best(self, arithmetic: Arithmetic) -> Measured:
        """Find the fastest way in a grade; for ``exact`` no answer may have changed."""
        allowed = [
            found
            for found in self.measured
            if arithmetic == "fast" or (found.way.arithmetic == "exact" and not found.changed)
        ]
        return max(allowed, key=lambda found: found.best.images_per_second)

    def settings(self) -> dict[Arithmetic, Setting]:
        """Give what :func:`kerascnn.inference.settings.save_settings` takes."""
        return {grade: _setting(self.best(grade)) for grade in ARITHMETICS}

    def to_dict(self, arithmetic: Arithmetic) -> dict[str, Any]:
        """Give plain values for JSON; ``results`` are those of the best way in a grade."""
        best = self.best(arithmetic)
        return {
            "model": self.model,
            **asdict(best.way),
            "results": [asdict(timing) for timing in best.results],
            "ways": [found.to_dict() for found in self.measured],
            "unavailable": self.unavailable,
        }


def benchmark(
    model: str | Path,
    batches: Sequence[int] = BATCHES,
    pictures: npt.NDArray[np.uint8] | None = None,
    foreign: Foreign | None = None,
    tell: Callable[[str], object] = lambda _step: None,
) -> Benchmark:
    """Measure every way to run a file here.

    Args:
        model: The ``.onnx`` file.
        batches: Pictures a run.
        pictures: Real ones, uint8 ``[pictures, size, size, 3]``, to count changed answers on.
        foreign: What the file does not say, if it was made elsewhere.
        tell: Called with a word on each step.

    Returns:
        What was found.
    """
    unavailable: dict[str, str] = {}
    measured = []
    with Classifier(model, "cpu", foreign=foreign) as reference:
        size = reference.card.image_size
        real = pictures if pictures is not None else np.zeros((0, size, size, 3), np.uint8)
        expected = _answers(reference, real)
        for ways in _ways():
            tell(f"{ways[0].provider}, {ways[0].arithmetic}")
            try:
                way = _quickest(model, ways, foreign, noise(max(batches), size))
            except ProviderError as error:
                unavailable[ways[0].provider] = str(error)
                continue
            with _open(model, way, foreign) as classifier:
                found = _answers(classifier, real)
                timings = tuple(_timed(classifier, noise(batch, size)) for batch in batches)
            changed = int((found.argmax(1) != expected.argmax(1)).sum()) if len(real) else 0
            worst = float(np.abs(found - expected).max()) if len(real) else 0.0
            measured.append(Measured(way, timings, len(real), changed, worst))
    return Benchmark(str(model), tuple(measured), unavailable)


def real_pictures(
    model: str | Path, data: str | None, foreign: Foreign | None
) -> npt.NDArray[np.uint8] | None:
    """Read pictures to count changed answers on.

    Args:
        model: The ``.onnx`` file, for the size and, if that is built in, the data.
        data: What :func:`kerascnn.dataset.load_dataset` takes, or None.
        foreign: What the file does not say, if it was made elsewhere.

    Returns:
        uint8 ``[pictures, size, size, 3]``, at most 500; None where no data is known.

    Raises:
        DataError: ``data`` cannot be used.
    """
    with Classifier(model, "cpu", foreign=foreign) as classifier:
        card = classifier.card
    name = data or str(card.data.get("name"))
    if not data and name not in BUILTIN:
        return None
    _, split = load_dataset(name).choose()
    sized = sized_pictures(split.pictures, card.image_size, card.resize)
    good = (picture for picture in sized if not isinstance(picture, PictureError))
    found = list(islice(good, _REAL))
    if not found:
        raise DataError(f"{name}: no picture can be read.")
    return np.stack(found)


def _ways() -> Iterator[list[Way]]:
    """List the ways of each provider and grade; the best of each list is looked at closely."""
    counts = sorted({1, usable_cpus(), max(1, usable_cpus() // 2)})
    for provider in PROVIDERS:
        # On the CPU provider both grades are the same arithmetic; GPUs need no threads here.
        grades: Sequence[Arithmetic] = ("exact",) if provider == "cpu" else ARITHMETICS
        threads = counts if provider in ("cpu", "openvino") else counts[-1:]
        spins = (True, False) if provider == "cpu" else (True,)
        for grade in grades:
            yield [Way(provider, grade, count, spin) for count in threads for spin in spins]


def _quickest(
    model: str | Path, ways: list[Way], foreign: Foreign | None, pictures: npt.NDArray[np.uint8]
) -> Way:
    with ExitStack() as stack:
        opened = [stack.enter_context(_open(model, way, foreign)) for way in ways]
        runs = [lambda one=one: one.run(pictures) for one in opened]
        medians = [float(np.median(taken)) for taken in interleaved(runs, _FEW)]
    return ways[int(np.argmin(medians))]


def _open(model: str | Path, way: Way, foreign: Foreign | None) -> Classifier:
    choice = Choice(way.provider, way.threads, way.spinning, "measured")
    return Classifier(model, choice, foreign=foreign, arithmetic=way.arithmetic)


def _timed(classifier: Classifier, pictures: npt.NDArray[np.uint8]) -> Timing:
    return time_runs(lambda: classifier.run(pictures), len(pictures))


def _answers(classifier: Classifier, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    starts = range(0, len(pictures), max(BATCHES))
    parts = [classifier.run(pictures[at : at + max(BATCHES)])[1] for at in starts]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _setting(found: Measured) -> Setting:
    way, best = found.way, found.best
    return Setting(way.provider, way.threads, way.spinning, best.batch, best.images_per_second)
