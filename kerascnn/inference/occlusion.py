"""Heat maps by occlusion: covers parts of the picture and compares the class scores.

Knows: an exported file's outputs for partly covered pictures (Zeiler and Fergus 2014,
https://arxiv.org/abs/1311.2901). Does not know gradients, which an exported file lacks
(:mod:`kerascnn.training.explain.gradcam`), or drawing (:mod:`kerascnn.report.heat`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.errors import ConfigError
from kerascnn.inference.classifier import BATCH_SIZE, Classifier
from kerascnn.inference.prediction import finite_rows, not_finite_error

Heat = npt.NDArray[np.float32]
"""float32 ``[height, width]``, 0 to 1: evidence for a class at each pixel; the maximum is 1."""

PATCHES = 8
"""Patches along each side without overlap; overlapped by half, they give 225 positions."""


@dataclass(frozen=True)
class ClassHeat:
    """The heat map of one class.

    Attributes:
        probability: Probability of the class, 0 to 1.
        heat: Its evidence at each pixel; all 0 if the picture has none.
    """

    label: str
    probability: float
    heat: Heat


@dataclass(frozen=True)
class Explanation:
    """Heat maps that explain one prediction.

    Attributes:
        picture: uint8 ``[height, width, 3]``, as the network sees it.
        reasons: Heat maps of the most probable classes, the most probable first.
        method: ``occlusion`` or ``Grad-CAM``.
    """

    picture: images.UInt8Array
    reasons: tuple[ClassHeat, ...]
    method: str


def explain_file(
    classifier: Classifier, picture: images.UInt8Array, top: int = 3, name: str = "picture"
) -> Explanation:
    """Cover one part of a picture after another, and measure how much the class scores fall.

    ``picture``: uint8 ``[height, width, 3]``, RGB, of any size. ``top``: how many classes to
    explain.

    Returns:
        The explanation. The heat of a pixel is the mean drop in log-odds over the patches that
        cover it: unlike probabilities near 1, log-odds still show a small drop.

    Raises:
        ConfigError: ``top`` is below 1.
        PictureError: The network's output is not finite.
    """
    check_top(top)
    card = classifier.card
    sized = images.size_picture(picture, card.shape, card.resize_rule)
    logits, probabilities = classifier.run(sized[None])
    if not finite_rows(logits, probabilities)[0]:
        raise not_finite_error(name)
    chosen = top_classes(probabilities[0], top)
    heats = _heats(classifier, sized, chosen)
    return Explanation(
        sized, reasons(classifier.classes, probabilities[0], chosen, heats), "occlusion"
    )


def heat_of(classifier: Classifier, sized: images.UInt8Array, number: int) -> Heat:
    """Compute the heat map of one class for a picture of the model's size."""
    return _heats(classifier, sized, np.array([number]))[0]


def _heats(
    classifier: Classifier, sized: images.UInt8Array, chosen: npt.NDArray[np.int64]
) -> list[Heat]:
    before = log_odds(classifier.run(sized[None])[0], chosen)[0]
    loss = np.zeros((len(chosen), *sized.shape[:2]))
    covers = np.zeros(sized.shape[:2])
    places = list(_patches(*sized.shape[:2]))
    for start in range(0, len(places), BATCH_SIZE):
        some = places[start : start + BATCH_SIZE]
        after = log_odds(classifier.run(_occluded(sized, some))[0], chosen)
        for place, odds in zip(some, after, strict=True):
            loss[:, place[0], place[1]] += (before - odds)[:, None, None]
            covers[place] += 1
    return [normalized_heat(one / covers) for one in loss]


def top_classes(probabilities: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.int64]:
    """Return the indices of the top classes, int64, best first; ties in class order."""
    return np.argsort(-probabilities, kind="stable")[:top]


def reasons(
    classes: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    chosen: npt.NDArray[np.int64],
    heats: Sequence[Heat],
) -> tuple[ClassHeat, ...]:
    """Combine all class names and probabilities with the heat maps of the chosen classes."""
    return tuple(
        ClassHeat(classes[index], float(probabilities[index]), heat)
        for index, heat in zip(chosen, heats, strict=True)
    )


def log_odds(
    logits: npt.NDArray[np.float32], chosen: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the log-odds of some classes, each against all others.

    Args:
        logits: float32 ``[pictures, classes]``.
        chosen: int64 ``[n]``, indices of the classes.

    Returns:
        float64 ``[pictures, n]``, in nats.

    Examples:
        >>> log_odds(np.array([[1.0, 0.0]], np.float32), np.array([1]))
        array([[-1.]])
    """
    wide = logits.astype(np.float64)
    odds = wide[:, chosen]
    if wide.shape[1] == 1:
        return odds
    for place, index in enumerate(chosen):
        # Not total minus this class: for a confident class the difference would round to zero.
        odds[:, place] -= np.logaddexp.reduce(np.delete(wide, index, axis=1), axis=1)
    return odds


def normalized_heat(values: npt.NDArray[np.float64]) -> Heat:
    """Divide the positive values of ``[height, width]`` by their maximum, 0 to 1."""
    positive = np.maximum(values, 0)
    largest = positive.max()
    return (positive / largest if largest > 0 else positive).astype(np.float32)


def check_top(top: int) -> None:
    """Check that at least one class is to be explained."""
    if top < 1:
        raise ConfigError(f"top is {top}; expected at least 1.")


def _patches(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yield patches that overlap by half and cover the picture up to its edges."""
    lines = list(_intervals(width))
    for rows in _intervals(height):
        for columns in lines:
            yield rows, columns


def _intervals(size: int) -> Iterator[slice]:
    side = max(2, -(-size // PATCHES))
    starts = [*range(0, size - side, max(1, side // 2)), size - side] if size > side else [0]
    for start in starts:
        yield slice(start, start + side)


def _occluded(
    picture: images.UInt8Array, places: Sequence[tuple[slice, slice]]
) -> images.UInt8Array:
    """Return one copy of the picture per patch, filled there with the picture's mean color."""
    color = picture.mean(axis=(0, 1)).round().astype(np.uint8)
    batch = np.repeat(picture[None], len(places), axis=0)
    for covered, (rows, columns) in zip(batch, places, strict=True):
        covered[rows, columns] = color
    return batch
