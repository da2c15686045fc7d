"""Outputs of one model on labeled pictures.

Knows: the fields, and values derived in one line. Does not know where outputs come from (an
exported file or Keras), or how good they are.
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
        seconds: Wall-clock time from the first picture to the last prediction.
        images_per_second: Readable pictures per second of that time.
        network_images_per_second: Readable pictures per second of running the network.
        includes: Description of the work within ``seconds``.
    """

    seconds: float
    images_per_second: float
    network_images_per_second: float
    includes: str


def measured(images: int, seconds: float, network_seconds: float, includes: str) -> Speed:
    """Compute the throughput from times in seconds, above 0."""
    return Speed(seconds, images / seconds, images / network_seconds, includes)


@dataclass(frozen=True)
class Predictions:
    """Outputs of a model, with the true labels.

    Attributes:
        logits: float32 ``[pictures, classes]``, uncalibrated.
        labels: int64 ``[pictures]``, indices into ``classes``.
        classes: Class names in the order of the logits.
        names: Names of the pictures; empty if they have none.
        temperature: Temperature of the model's card.
        skipped: For each picture that could not be read, the reason.
        speed: Throughput; None if it was not measured.
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
        """Return the number of classified pictures."""
        return len(self.labels)

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, float64 ``[pictures, classes]``."""
        return softmax(self.logits, self.temperature)

    @cached_property
    def ranked(self) -> npt.NDArray[np.int64]:
        """The top five classes (or all, if fewer), int64 ``[pictures, 5]``.

        Classes with equal logits are in class order, as in a Prediction.
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
        """Whether the top-1 class is correct, bool ``[pictures]``."""
        equal: npt.NDArray[np.bool_] = self.top1 == self.labels
        return equal

    def name(self, index: int) -> str:
        """Return the name of a picture, or its index as text."""
        return self.names[index] if self.names else f"picture {index}"
