"""Finds the resizing method that fits a model by trying each on labeled pictures.

Knows: the candidates and their ranking. Does not know how a picture is resized.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kerascnn.card import ModelCard, Normalization
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.evaluation import data_for, predict_file
from kerascnn.inference.model_file.foreign import NORMALIZATIONS
from kerascnn.metrics.calibration import softmax
from kerascnn.resizing import PRESETS, Resizing, choose


@dataclass(frozen=True)
class Trial:
    """The result of one resizing method.

    Attributes:
        options: Options that select it.
        top1: Top-1 accuracy, 0 to 1.
        log_likelihood: Mean log-probability of the true class, which breaks ties of top-1.
    """

    options: str
    top1: float
    log_likelihood: float


@dataclass(frozen=True)
class Trials:
    """The results of all resizing methods."""

    images: int
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The method that fits best."""
        return self.trials[0]

    @property
    def equal(self) -> tuple[str, ...]:
        """Options of the methods that score the same as the best on these pictures."""
        return tuple(
            trial.options
            for trial in self.trials[1:]
            if trial.top1 == self.best.top1
            and math.isclose(trial.log_likelihood, self.best.log_likelihood, rel_tol=1e-6)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the results as plain values for JSON."""
        return {"images": self.images, "best": self.best.options, "equal": self.equal} | {
            "trials": [asdict(trial) for trial in self.trials]
        }


def candidates() -> dict[str, Resizing]:
    """Return the candidates by their command-line options."""
    found = {f"--like {name}": preset.sizing for name, preset in PRESETS.items()}
    for kind in ("bilinear", "bicubic", "lanczos"):
        found[f"--resize squash --filter {kind}"] = choose(resize="squash", filter=kind)
    found["--resize crop --crop-share 0.875"] = choose(crop_share=0.875)
    found["--resize crop --crop-share 1"] = choose(crop_share=1.0)
    found["--resize pad --enlarge"] = choose(enlarge=True)
    return found


def try_resizing(
    classifier: Classifier,
    data: str | None,
    split: str | None = None,
    normalized: bool = True,
    progress: Callable[[str], object] = lambda _options: None,
) -> Trials:
    """Try the resizing methods on labeled pictures.

    Args:
        classifier: Classifier of the model.
        data: Labeled pictures, as for :func:`kerascnn.inference.evaluation.predict_file`.
        split: Split to use; None: test, else val, else all.
        normalized: Whether the normalization is known or part of the graph; else each preset is
            tried with its own.
        progress: Called with the options of each candidate.

    Returns:
        The results, best first.

    Raises:
        DataError: The pictures cannot be used.
    """
    card, signature = classifier.card, classifier.signature
    found, images = [], 0
    dataset = data_for(classifier, data)
    try:
        for options, sizing in candidates().items():
            progress(options)
            tried = _with_sizing(card, sizing)
            if not normalized:
                tried = replace(tried, normalization=_normalization(options, card))
            classifier.card = tried
            classifier.signature = replace(signature, card=tried)
            answers = predict_file(classifier, dataset, split)
            images = len(answers.labels)
            found.append(_trial(options, answers.logits, answers.labels))
    finally:
        classifier.card, classifier.signature = card, signature
    found.sort(key=lambda trial: (-trial.top1, -trial.log_likelihood))
    return Trials(images, tuple(found))


def _with_sizing(card: ModelCard, sizing: Resizing) -> ModelCard:
    sizing = sizing.for_shape(card.shape)
    return replace(card, resize=sizing.resize, sizing=sizing)


def _normalization(options: str, card: ModelCard) -> Normalization:
    preset = PRESETS.get(options.removeprefix("--like "))
    name = preset.normalize if preset else None
    chosen = NORMALIZATIONS[name] if name else card.normalization
    if card.normalization.channel_order != "grey":
        return chosen
    gray = len(set(chosen.mean)) == len(set(chosen.std)) == 1
    return Normalization(chosen.mean, chosen.std, "grey") if gray else card.normalization


def _trial(options: str, logits: np.ndarray, labels: np.ndarray) -> Trial:
    probabilities = softmax(logits.astype(np.float64), 1.0)
    right = probabilities[np.arange(len(labels)), labels]
    top1 = float((logits.argmax(axis=1) == labels).mean())
    return Trial(options, top1, float(np.log(np.maximum(right, 1e-12)).mean()))
