"""Heat maps by occlusion: parts of the picture are covered, and the class scores compared.

Knows: an exported file's answers to a picture with patches on it (occlusion, Zeiler and Fergus
2014, https://arxiv.org/abs/1311.2901). Does not know gradients, which an exported file does not
give (:mod:`kerascnn.training.explain.gradcam`), nor how heat is drawn
(:mod:`kerascnn.report.heat`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.errors import ConfigError
from kerascnn.inference.classifier import BATCH_SIZE, Classifier
from kerascnn.inference.prediction import finite_rows, no_answer

Heat = npt.NDArray[np.float32]
"""float32 ``[height, width]``, 0 to 1: how much a place speaks for a class; the largest is 1."""

PATCHES = 8
"""Patches along a side, before they overlap by half: 225 places in all."""


@dataclass(frozen=True)
class ClassHeat:
    """The heat map of one class.

    Attributes:
        label: The class.
        probability: Probability of the class, 0 to 1.
        heat: Where; all 0 if nothing in the picture speaks for it.
    """

    label: str
    probability: float
    heat: Heat


@dataclass(frozen=True)
class Explanation:
    """Heat maps that explain one prediction.

    Attributes:
        picture: uint8 ``[size, size, 3]``, as the network sees it.
        reasons: For the likeliest classes, the likeliest first.
        method: ``occlusion`` or ``Grad-CAM``.
    """

    picture: images.UInt8Array
    reasons: tuple[ClassHeat, ...]
    method: str


def explain_file(
    classifier: Classifier, picture: images.UInt8Array, top: int = 3, name: str = "picture"
) -> Explanation:
    """Cover one part of a picture after another, and measure how much the class scores fall.

    Args:
        classifier: An exported file.
        picture: uint8 ``[height, width, 3]``, RGB, of any size.
        top: How many classes to explain.
        name: What to call the picture in an error.

    Returns:
        The explanation. A place's heat is the mean loss of log-odds under the patches that cover
        it: unlike a probability near 1, log-odds still show a small loss.

    Raises:
        ConfigError: ``top`` is below 1.
        PictureError: The network's answer is not finite.
    """
    check_top(top)
    card = classifier.card
    sized = images.size_picture(picture, card.shape, card.resize_rule)
    logits, probabilities = classifier.run(sized[None])
    if not finite_rows(logits, probabilities)[0]:
        raise no_answer(name)
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
    places = list(_places(*sized.shape[:2]))
    for start in range(0, len(places), BATCH_SIZE):
        some = places[start : start + BATCH_SIZE]
        after = log_odds(classifier.run(_covered(sized, some))[0], chosen)
        for place, odds in zip(some, after, strict=True):
            loss[:, place[0], place[1]] += (before - odds)[:, None, None]
            covers[place] += 1
    return [normalized_heat(one / covers) for one in loss]


def top_classes(probabilities: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.int64]:
    """Return the indices of the likeliest classes.

    Returns:
        int64, the likeliest first; of equals the earlier class.
    """
    return np.argsort(-probabilities, kind="stable")[:top]


def reasons(
    classes: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    chosen: npt.NDArray[np.int64],
    heats: Sequence[Heat],
) -> tuple[ClassHeat, ...]:
    """Combine names, probabilities and heat.

    Args:
        classes: Names in order.
        probabilities: float32 ``[classes]``.
        chosen: Indices of the classes that are explained.
        heats: One heat map for each of the likeliest classes.
    """
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
        # Not from the sum over all: of a sure class, nothing would be left of the others' sum.
        odds[:, place] -= np.logaddexp.reduce(np.delete(wide, index, axis=1), axis=1)
    return odds


def normalized_heat(values: npt.NDArray[np.float64]) -> Heat:
    """Keep positive values, scaled to 0 to 1.

    Args:
        values: ``[height, width]``, any sign.

    Returns:
        The positive values by the largest of them; all 0 if there is none.
    """
    positive = np.maximum(values, 0)
    largest = positive.max()
    return (positive / largest if largest > 0 else positive).astype(np.float32)


def check_top(top: int) -> None:
    """Refuse to explain no class at all."""
    if top < 1:
        raise ConfigError(f"top is {top}; expected at least 1.")


def _places(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Patches that overlap by half, and together cover the picture to its edges."""
    lines = list(_intervals(width))
    for rows in _intervals(height):
        for columns in lines:
            yield rows, columns


def _intervals(size: int) -> Iterator[slice]:
    side = max(2, -(-size // PATCHES))
    starts = [*range(0, size - side, max(1, side // 2)), size - side] if size > side else [0]
    for start in starts:
        yield slice(start, start + side)


def _covered(
    picture: images.UInt8Array, places: Sequence[tuple[slice, slice]]
) -> images.UInt8Array:
    """The picture once for every place, with its own mean color there."""
    color = picture.mean(axis=(0, 1)).round().astype(np.uint8)
    batch = np.repeat(picture[None], len(places), axis=0)
    for covered, (rows, columns) in zip(batch, places, strict=True):
        covered[rows, columns] = color
    return batch
