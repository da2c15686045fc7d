"""The content of a report: plain numbers, names and uint8 arrays.

Knows: the fields. Does not know where they come from (Keras or an exported file), or how they are
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kerascnn.images import UInt8Array
from kerascnn.metrics.classification import Evaluation, Misclassification
from kerascnn.metrics.epoch import EpochRecord
from kerascnn.metrics.significance import beats_chance, is_chance

if TYPE_CHECKING:
    from kerascnn.inference.occlusion import Heat

GALLERY = 12
"""Maximum mistakes to show: enough to see a pattern, few enough to look at each."""


@dataclass(frozen=True)
class PhaseSpan:
    """Epochs in which the same blocks were trained.

    Attributes:
        scope: The blocks, in the syntax of the command line.
        first: Number of the first epoch, from 1.
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
    """A wrong prediction.

    Attributes:
        picture: uint8 ``[size, size, 3]``, as the network saw it.
        heat: Heat map of the predicted class; None if there is none.
    """

    wrong: Misclassification
    picture: UInt8Array
    heat: Heat | None = None


@dataclass(frozen=True)
class Sample:
    """A training picture.

    Attributes:
        picture: uint8 ``[size, size, 3]``, without augmentation.
        fed: The picture as it is fed to the network, several times if augmentation is random.
    """

    picture: UInt8Array
    label: str
    fed: tuple[UInt8Array, ...] = ()


@dataclass(frozen=True)
class Learning:
    """Training results, measured on the kept network in inference mode.

    Attributes:
        steps: Optimizer steps, over all epochs.
        train_right: Correctly classified pictures among ``train_images``.
        train_images: Number of evaluated training pictures.
        val_right: Correctly classified validation pictures.
        val_largest: Validation pictures of the most frequent class.
        val_leaked: Validation pictures that are also training pictures.
        train_largest: Pictures of the most frequent class in ``train_images``; 0: not measured.
        train_fewest: Training pictures of the smallest class; 0: not counted.
        train_most: Training pictures of the largest class; 0: not counted.
        augmented: 1 if its training pictures were augmented; 0: not, or not recorded.
        pretrained: 1 if it was trained from pretrained weights; 0: not, or not recorded.
        shrunk: Longest side of the training pictures, divided by the input's side and rounded down;
            0: not recorded.
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
    train_fewest: int = 0
    train_most: int = 0
    augmented: int = 0
    pretrained: int = 0
    shrunk: int = 0

    @property
    def has_learned(self) -> bool:
        """False only if pictures show that it does no better than always guessing one class."""
        return self.beats_chance or not (self._fits_nothing or self._is_chance)

    @property
    def is_conclusive(self) -> bool:
        """Whether the pictures suffice to distinguish it from guessing."""
        return self.beats_chance or not self.has_learned

    @property
    def beats_chance(self) -> bool:
        """Whether it is significantly better than always predicting the most frequent class."""
        return beats_chance(self.val_right, self.val_images, self.baseline)

    @property
    def _is_chance(self) -> bool:
        return is_chance(self.val_right, self.val_images, self.baseline)

    @property
    def _fits_nothing(self) -> bool:
        """Whether it is no better than chance even on its training pictures."""
        chance = self.train_largest / self.train_images
        return is_chance(self.train_right, self.train_images, chance)

    @property
    def baseline(self) -> float:
        """Validation accuracy of always predicting the most frequent class."""
        return self.val_largest / self.val_images


@dataclass(frozen=True)
class Content:
    """The content of a report; empty fields are left out of the page.

    Attributes:
        made: Date and time, as text.
        epochs: The epochs in order; empty for an exported file.
        best_epoch: Epoch whose weights are kept; None if there are no epochs.
        phase_spans: Trained blocks by epochs.
        method: Method of their heat maps.
        balance: Pictures per class, in the order of the classes, by split.
        facts: Tables of names and values by heading: speed, machine, versions.
        learning: Training results; None if they were not measured.
        fitted_on: Split that the temperature was fitted on; empty if it was not fitted.
    """

    name: str
    made: str
    evaluation: Evaluation
    epochs: tuple[EpochRecord, ...] = ()
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
    """Collect the most confident mistakes, with pictures and heat maps.

    Args:
        picture: Returns the picture of an index, uint8 ``[size, size, 3]``.
        heats: Returns the heat maps for pictures and their predicted classes (None: no heat map).
    """
    shown = list(wrong[:GALLERY])
    pictures = [picture(one.index) for one in shown]
    warm: Sequence[Heat | None] = heats(pictures, [one.answer for one in shown]) if shown else []
    return tuple(map(Mistake, shown, pictures, warm))


def with_shares(
    classes: Sequence[str], counts: Mapping[str, Sequence[int]]
) -> list[tuple[str, list[tuple[int, float]]]]:
    """Return each class with its count in each split, and its percentage of the largest class."""
    largest = {split: max(1, *some, 1) for split, some in counts.items()}
    return [
        (
            name,
            [(some[index], 100 * some[index] / largest[split]) for split, some in counts.items()],
        )
        for index, name in enumerate(classes)
    ]
