"""What advice is made from: measured once, then plain numbers.

Knows: what was measured. Does not know: how (:mod:`.measurement`), what follows (:mod:`.decision`),
Keras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class StageFacts:
    """How the pictures look after one stage of the backbone.

    Attributes:
        name: Name of the stage; what ``from:`` takes.
        probe: Accuracy of a linear classifier on its features, leave-one-out, 0 to 1.
    """

    name: str
    probe: float


@dataclass(frozen=True)
class Facts:
    """A data set as a backbone sees it.

    Attributes:
        counts: Training pictures of each class, at least 1.
        sampled: How many pictures were looked at.
        pixels: Accuracy of the same probe on the pixels themselves (8 x 8), without a network.
        stages: From the first to the last before the head, at least one.
        pretrained: Whether the backbone has weights that mean something.
        flipped: Of the best stage's probe on flipped pictures, 0 to 1.
        confused: Two classes and the share of the first that is taken for the second.
        names: Names of the classes.
    """

    counts: tuple[int, ...]
    sampled: int
    pixels: float
    stages: tuple[StageFacts, ...]
    pretrained: bool = True
    flipped: float | None = None
    confused: tuple[str, str, float] | None = None
    names: tuple[str, ...] = ()

    @property
    def pictures(self) -> int:
        """All training pictures."""
        return sum(self.counts)

    @property
    def per_class(self) -> float:
        """Pictures a class, the geometric mean: a few large classes do not hide small ones."""
        return math.exp(sum(map(math.log, self.counts)) / len(self.counts))

    @property
    def chance(self) -> float:
        """What always naming the largest class would get."""
        return max(self.counts) / self.pictures

    @property
    def last(self) -> StageFacts:
        """What the head would be trained on."""
        return self.stages[-1]

    @property
    def best(self) -> StageFacts:
        """The stage whose features tell the classes apart best."""
        return max(self.stages, key=lambda stage: stage.probe)

    @property
    def similarity(self) -> float:
        """Accuracy of the last stage's probe minus that of the best one before it, or of pixels.

        The last stages are what a backbone has learned about its own classes. Where they lose what
        earlier ones still told apart, the data is unlike what they were made for.
        """
        earlier = [self.pixels, *(stage.probe for stage in self.stages[:-1])]
        return self.last.probe - max(earlier)

    @property
    def gain(self) -> float:
        """Accuracy of the last stage's probe minus that of the pixels' own."""
        return self.last.probe - self.pixels
