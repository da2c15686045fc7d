"""What a report is made from: plain numbers, names and uint8 arrays.

Knows: the fields. Does not know where they come from (Keras or an exported file), nor how they
are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kerascnn.images import UInt8Array
from kerascnn.metrics.classification import Evaluation, Misclassification
from kerascnn.metrics.significance import beats_chance, is_chance

if TYPE_CHECKING:
    from kerascnn.inference.occlusion import Heat

GALLERY = 12
"""Mistakes shown: enough to see a pattern, few enough to look at each."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures.

    Attributes:
        number: Its number, from 1.
        learning_rate: Learning rate at the end of the epoch.
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
class PhaseSpan:
    """Epochs in which the same blocks learned.

    Attributes:
        scope: Which, as the command line has it.
        first: Number of the first epoch, from 1.
        last: Number of the last.
    """

    scope: str
    first: int
    last: int


@dataclass(frozen=True)
class Layer:
    """One layer of the network."""

    name: str
    block: str
    type: str
    output_shape: tuple[int | None, ...]
    params: int
    trainable: bool


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Attributes:
        wrong: The answer.
        picture: uint8 ``[size, size, 3]``, as the network saw it.
        heat: Where the network saw its answer; None where that is not known.
    """

    wrong: Misclassification
    picture: UInt8Array
    heat: Heat | None = None


@dataclass(frozen=True)
class Sample:
    """A training picture.

    Attributes:
        picture: uint8 ``[size, size, 3]``, as it is.
        label: Its class.
        fed: The same as the network is fed it, several times where it is changed at random.
    """

    picture: UInt8Array
    label: str
    fed: tuple[UInt8Array, ...] = ()


@dataclass(frozen=True)
class Learning:
    """How a network learned, measured on the network that is kept, in inference mode.

    Attributes:
        steps: Steps of the optimizer, in all epochs.
        pictures: Training pictures.
        classes: There are.
        train_right: How many of ``train_images`` training pictures are answered right.
        train_images: Number of training pictures evaluated.
        val_right: How many of the validation pictures are answered right.
        val_images: Number of validation pictures.
        val_largest: How many of those belong to the commonest class among them.
        val_leaked: How many of those are also training pictures.
        train_largest: How many of ``train_images`` belong to the commonest class; 0: not measured.
    """

    steps: int
    pictures: int
    classes: int
    train_right: int
    train_images: int
    val_right: int
    val_images: int
    val_largest: int
    val_leaked: int = 0
    train_largest: int = 0

    @property
    def has_learned(self) -> bool:
        """Whether it is better than always naming the commonest class, or too few can tell."""
        return self.beats_chance or not (self._fits_nothing or self._is_chance)

    @property
    def is_told(self) -> bool:
        """Whether the pictures tell it from guessing."""
        return self.beats_chance or not self.has_learned

    @property
    def beats_chance(self) -> bool:
        """Whether it is significantly better than always naming the commonest class."""
        return beats_chance(self.val_right, self.val_images, self.baseline)

    @property
    def _is_chance(self) -> bool:
        return is_chance(self.val_right, self.val_images, self.baseline)

    @property
    def _fits_nothing(self) -> bool:
        """Whether it guesses even its training pictures, which are more than the others."""
        chance = self.train_largest / self.train_images
        return is_chance(self.train_right, self.train_images, chance)

    @property
    def baseline(self) -> float:
        """Validation accuracy of always predicting the most frequent class."""
        return self.val_largest / self.val_images


@dataclass(frozen=True)
class Content:
    """Everything one report shows. What is empty is left out of the page.

    Attributes:
        name: Name of the model.
        made: When, in words.
        evaluation: Answers of the model that is kept.
        epochs: The epochs in order; none for an exported file.
        best_epoch: Whose network is kept; None when there are no epochs.
        phase_spans: Which blocks were trained when.
        layers: Rows of the layers, from input to output.
        mistakes: Most confident first.
        method: How their heat was found.
        samples: Training pictures.
        balance: Pictures a class, in the order of the classes, by split.
        facts: Tables of names and values by heading: speed, machine, versions.
        commands: Lines that repeat the run, to be copied.
        learning: How it learned; None where that was not measured.
        fitted_on: The split that the temperature was fitted on; empty: none was fitted.
    """

    name: str
    made: str
    evaluation: Evaluation
    epochs: tuple[Epoch, ...] = ()
    best_epoch: int | None = None
    phase_spans: tuple[PhaseSpan, ...] = ()
    layers: tuple[Layer, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    method: str = ""
    samples: tuple[Sample, ...] = ()
    balance: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    learning: Learning | None = None
    fitted_on: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in order."""
        return tuple(score.label for score in self.evaluation.per_class)


def gallery(
    wrong: Sequence[Misclassification],
    picture: Callable[[int], UInt8Array],
    heats: Callable[[list[UInt8Array], list[str]], Sequence[Heat | None]],
) -> tuple[Mistake, ...]:
    """Show the wrong answers that the model was surest of, with what it saw.

    Args:
        wrong: Most confident first.
        picture: Gives the picture of an index, uint8 ``[size, size, 3]``.
        heats: Gives, for pictures and the class answered for each, where it was seen (None: not
            known).

    Returns:
        The first of them.
    """
    shown = list(wrong[:GALLERY])
    pictures = [picture(one.index) for one in shown]
    warm: Sequence[Heat | None] = heats(pictures, [one.answer for one in shown]) if shown else []
    return tuple(map(Mistake, shown, pictures, warm))


def with_shares(
    classes: Sequence[str], counts: Mapping[str, Sequence[int]]
) -> list[tuple[str, list[tuple[int, float]]]]:
    """Return each class with its count in each split, and that in per cent of the largest."""
    largest = {split: max(1, *some, 1) for split, some in counts.items()}
    return [
        (
            name,
            [(some[index], 100 * some[index] / largest[split]) for split, some in counts.items()],
        )
        for index, name in enumerate(classes)
    ]
