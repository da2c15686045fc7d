"""Predictions of a classifier.

Knows: the fields, their JSON form, and that non-finite outputs are not predictions. Does not know
how the network is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn import notebook
from kerascnn.errors import PictureError


@dataclass(frozen=True)
class Ranked:
    """One class with its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The prediction for one picture.

    Attributes:
        label: The most probable class; None if its probability is below ``min_probability``.
        probability: Probability of the most probable class, 0 to 1.
        top: The most probable classes, in descending order.
    """

    label: str | None
    probability: float
    top: tuple[Ranked, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as plain values for JSON."""
        return {
            "label": self.label,
            "probability": self.probability,
            "top": [{"label": r.label, "probability": r.probability} for r in self.top],
        }

    def _repr_html_(self) -> str:
        return notebook.bars([(one.label, one.probability) for one in self.top])


def to_row(path: str | None, answer: Prediction | PictureError) -> dict[str, Any]:
    """Return one line of ``predict --json``, or of a server's answer: a prediction or ``error``."""
    if isinstance(answer, PictureError):
        return {"path": path, "error": str(answer)}
    return {"path": path, **answer.to_dict()}


def rank_all(
    probabilities: npt.NDArray[np.float32],
    classes: tuple[str, ...],
    top_k: int,
    min_probability: float = 0.0,
) -> list[Prediction]:
    """Turn probabilities, float32 ``[pictures, classes]``, into one prediction per picture.

    Classes of equal probability are in class order. Below ``min_probability`` the label is None;
    ``top`` still lists the class.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    listed = probabilities[np.arange(len(order))[:, None], order]
    answers = []
    for indices, values in zip(order.tolist(), listed.tolist(), strict=True):
        pairs = zip(indices, values, strict=True)
        top = tuple(Ranked(classes[index], value) for index, value in pairs)
        sure = top[0].probability >= min_probability
        answers.append(Prediction(top[0].label if sure else None, top[0].probability, top))
    return answers


def bounded(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Replace minus infinity, by which a network rules a class out, by the lowest finite number."""
    ruled_out = logits == -np.inf
    return np.where(ruled_out, np.finfo(logits.dtype).min, logits) if ruled_out.any() else logits


def finite_rows(
    logits: npt.NDArray[np.floating[Any]], probabilities: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.bool_]:
    """Mark the pictures whose outputs are finite; only these count as predictions.

    Args:
        logits: ``[pictures, classes]``, :func:`bounded`.
        probabilities: ``[pictures, classes]``.

    Returns:
        bool ``[pictures]``.

    Examples:
        >>> zeros, odd = np.zeros((3, 2)), np.array([[1, 0], [np.nan, 0], [np.inf, 0]])
        >>> finite_rows(odd, zeros).tolist()
        [True, False, False]
    """
    finite: npt.NDArray[np.bool_] = (np.isfinite(logits) & np.isfinite(probabilities)).all(axis=1)
    return finite


def not_finite_error(name: str) -> PictureError:
    """Return the error for a picture whose network output is not finite."""
    return PictureError(
        f"{name}: the network's output is not finite (NaN or infinite), expected numbers. Look at "
        "the picture; if others fail too, the model is broken."
    )
