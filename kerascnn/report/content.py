"""What a report is made from: plain numbers, names and uint8 arrays.

Knows: the fields, and which mistakes are worth showing. Does not know where they come from
(Keras or an exported file), nor how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kerascnn.images import UInt8Array
from kerascnn.inference.metrics import Evaluation

GALLERY = 12
"""Mistakes shown: enough to see a pattern, few enough to look at each."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures.

    Attributes:
        number: From 1.
        learning_rate: At its end.
        loss: Over the training pictures, in nats.
        accuracy: Over the training pictures as they were fed, 0 to 1.
        val_loss: Over the validation pictures, in nats.
        val_accuracy: Over the validation pictures, 0 to 1.
    """

    number: int
    learning_rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True)
class Layer:
    """One layer of the network.

    Attributes:
        name: Its own; layers of one block share what stands before the first ``_``.
        type: Its class.
        output_shape: Without the batch.
        params: Numbers that gradients can reach.
        trainable: Whether they may learn.
    """

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    params: int
    trainable: bool


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Attributes:
        picture: uint8 ``[size, size, 3]``, as the network saw it.
        name: Of the picture.
        truth: The right class.
        answer: The class that was answered.
        probability: Of the answer, 0 to 1.
        truth_probability: Of the right class, 0 to 1.
    """

    picture: UInt8Array
    name: str
    truth: str
    answer: str
    probability: float
    truth_probability: float


@dataclass(frozen=True)
class Sample:
    """A training picture as the network was fed it.

    Attributes:
        picture: uint8 ``[size, size, 3]``.
        label: Its class.
    """

    picture: UInt8Array
    label: str


@dataclass(frozen=True)
class Content:
    """Everything one report shows. What is empty is left out of the page.

    Attributes:
        name: Of the model.
        made: When, in words.
        evaluation: Answers of the model that is kept.
        epochs: In order; none for an exported file.
        best_epoch: Whose network is kept; None when there are no epochs.
        layers: In order.
        mistakes: Most confident first.
        samples: Training pictures as fed.
        balance: Pictures a class, in the order of the classes, by split.
        facts: Tables of names and values by heading: speed, machine, versions.
        commands: Lines that repeat the run, to be copied.
    """

    name: str
    made: str
    evaluation: Evaluation
    epochs: tuple[Epoch, ...] = ()
    best_epoch: int | None = None
    layers: tuple[Layer, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    samples: tuple[Sample, ...] = ()
    balance: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    commands: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in order."""
        return tuple(score.label for score in self.evaluation.per_class)


def most_confident_mistakes(
    probabilities: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    pictures: UInt8Array,
    names: Sequence[str],
    classes: Sequence[str],
    count: int = GALLERY,
) -> tuple[Mistake, ...]:
    """Find the wrong answers that the model was surest of.

    Args:
        probabilities: floats ``[pictures, classes]``.
        labels: int64 ``[pictures]``.
        pictures: uint8 ``[pictures, size, size, 3]``.
        names: One a picture.
        classes: Names in order.
        count: How many at most.

    Returns:
        Most confident first; of equals the earlier picture.
    """
    answers = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    surest = wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")][:count]
    return tuple(
        Mistake(
            picture=pictures[index],
            name=names[index],
            truth=classes[labels[index]],
            answer=classes[answers[index]],
            probability=float(probabilities[index, answers[index]]),
            truth_probability=float(probabilities[index, labels[index]]),
        )
        for index in surest
    )
