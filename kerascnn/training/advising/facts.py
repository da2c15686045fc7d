"""The facts that advice is based on: measured once, then plain numbers.

Knows: what was measured. Does not know: how (:mod:`.measurement`), what follows (:mod:`.decision`),
Keras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class StageFacts:
    """The leave-one-out accuracy, 0 to 1, of a linear classifier on the features of one stage."""

    name: str
    probe: float


@dataclass(frozen=True)
class Facts:
    """Measurements of a data set with a backbone.

    Attributes:
        counts: Training pictures of each class, at least 1.
        pixels: Accuracy of the same probe on the pixels themselves (8 x 8), without a network.
        stages: Stages in order, without the head, at least one.
        flipped: Accuracy of the best stage's probe with mirrored pictures added, 0 to 1.
        confused: Two classes and the share of the first that is classified as the second.
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
        """Number of training pictures."""
        return sum(self.counts)

    @property
    def per_class(self) -> float:
        """Pictures per class, the geometric mean: a few large classes do not hide small ones."""
        return math.exp(sum(map(math.log, self.counts)) / len(self.counts))

    @property
    def chance(self) -> float:
        """Accuracy of always predicting the largest class."""
        return max(self.counts) / self.pictures

    @property
    def last(self) -> StageFacts:
        """The last stage, on which the head is trained."""
        return self.stages[-1]

    @property
    def best(self) -> StageFacts:
        """The stage whose features separate the classes best."""
        return max(self.stages, key=lambda stage: stage.probe)

    @property
    def similarity(self) -> float:
        """Accuracy of the last stage's probe minus that of the best one before it, or of pixels.

        The last stages are specific to the backbone's own classes. If they lose what earlier ones
        still separate, the data differs from what they were trained on.
        """
        earlier = [self.pixels, *(stage.probe for stage in self.stages[:-1])]
        return self.last.probe - max(earlier)

    @property
    def gain(self) -> float:
        """Accuracy of the last stage's probe minus that of the probe on pixels."""
        return self.last.probe - self.pixels
