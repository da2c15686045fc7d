"""Outputs of one model on labeled pictures.

Knows: the fields, and what of them is derived in one line. Does not know where the answers
came from (an exported file or Keras), nor how good they are (metrics).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kerascnn.metrics.calibration import row_slices, softmax


@dataclass(frozen=True)
class Speed:
    """Throughput of an evaluation.

    Attributes:
        seconds: From the first picture to the last answer, by the clock on the wall.
        images_per_second: Pictures that could be read, over all of those seconds.
        network_images_per_second: The same over the seconds in which the network ran.
        includes: What happened within ``seconds``, in words.
    """

    seconds: float
    images_per_second: float
    network_images_per_second: float
    includes: str


def measured(images: int, seconds: float, network_seconds: float, includes: str) -> Speed:
    """Turn times into a speed.

    Args:
        images: Pictures answered.
        seconds: In all, above 0.
        network_seconds: Of those, while the network ran, above 0.
        includes: What happened within ``seconds``, in words.
    """
    return Speed(seconds, images / seconds, images / network_seconds, includes)


@dataclass(frozen=True)
class Predictions:
    """Outputs of a model, with the true labels.

    Attributes:
        logits: float32 ``[pictures, classes]``, uncalibrated.
        labels: int64 ``[pictures]``, indices into ``classes``.
        classes: Names in the order of the logits.
        names: One a picture; none for pictures without names.
        temperature: Temperature of the model's card.
        split: Which part of the data it was.
        skipped: Why each broken picture was left out.
        speed: How long it took, where that was measured.
    """

    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    names: tuple[str, ...] = ()
    temperature: float = 1.0
    split: str = "all"
    skipped: tuple[str, ...] = ()
    speed: Speed | None = None

    def __len__(self) -> int:
        """Return how many pictures were answered."""
        return len(self.labels)

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Calibrated, float64 ``[pictures, classes]``."""
        return softmax(self.logits, self.temperature)

    @cached_property
    def ranked(self) -> npt.NDArray[np.int64]:
        """The first five classes (or as many as there are), int64 ``[pictures, 5]``.

        Of equal logits the earlier class comes first, as in a Prediction.
        """
        parts = (self.logits[rows] for rows in row_slices(self.logits))
        return np.concatenate([np.argsort(-part, axis=1, kind="stable")[:, :5] for part in parts])

    @property
    def top1(self) -> npt.NDArray[np.int64]:
        """The top-1 class, int64 ``[pictures]``."""
        return self.ranked[:, 0]

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Probability of the top-1 class, float64 ``[pictures]``."""
        return self.probabilities[np.arange(len(self)), self.top1]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether the top-1 class is right, bool ``[pictures]``."""
        equal: npt.NDArray[np.bool_] = self.top1 == self.labels
        return equal

    def name(self, index: int) -> str:
        """Name a picture."""
        return self.names[index] if self.names else f"picture {index}"
