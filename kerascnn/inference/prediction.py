"""What a classifier answers.

Knows: the fields, and how they are written as JSON. Does not know how the answer came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ranked:
    """One class with its probability.

    Attributes:
        label: Class name.
        probability: 0 to 1.
    """

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The answer for one picture.

    Attributes:
        label: The likeliest class; None where it is less likely than was asked for.
        probability: Of the likeliest class, 0 to 1.
        top: The likeliest classes, first the likeliest.
    """

    label: str | None
    probability: float
    top: tuple[Ranked, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the answer as plain values for JSON."""
        return {
            "label": self.label,
            "probability": self.probability,
            "top": [{"label": r.label, "probability": r.probability} for r in self.top],
        }


def rank(
    probabilities: npt.NDArray[np.float32],
    classes: tuple[str, ...],
    top_k: int,
    min_probability: float = 0.0,
) -> Prediction:
    """Turn one row of probabilities into an answer.

    Args:
        probabilities: float32 ``[classes]``.
        classes: Names in the same order.
        top_k: How many to list; more than there are classes means all.
        min_probability: Of a less likely class no label is given; ``top`` still lists it.

    Returns:
        The answer; of equal probabilities the earlier class comes first.
    """
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    top = tuple(Ranked(classes[index], float(probabilities[index])) for index in order)
    sure = top[0].probability >= min_probability
    return Prediction(top[0].label if sure else None, top[0].probability, top)
