"""What the numbers of a model made elsewhere mean: probabilities, their logarithms, or logits.

Knows: what can be told from where numbers come from, what from the numbers themselves, and that
where these contradict each other only the user can know. Does not know graphs: who reads one
describes its end as an :class:`OutputOrigin`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference.model_file.signature import Meaning

log = logging.getLogger(__name__)

Source = Literal["softmax", "sigmoid", "log_softmax", "linear", "unknown"]
"""What made a number: one of two that squash, a softmax's logarithm, a matrix or convolution."""

Outputs = Literal["logits", "probabilities"]
OUTPUTS: tuple[Outputs, ...] = get_args(Outputs)
"""What its user can say that a model gives."""

_SUM = 1e-2
"""How far from 1 a row of probabilities may sum: float16 graphs are coarse."""

_BEYOND = 1e-3
"""How far below 0 or above 1 rounding may bring a probability."""

_CLIPPED = 0.1
"""The same for a softmax that may be clipped; one over the wrong axis is further off."""

_STEP = 1 / 255
"""Of quantized probabilities; half of it is what each may be off."""


@dataclass(frozen=True)
class OutputOrigin:
    """Where the numbers of an output come from.

    Attributes:
        sources: What made them, behind all that hands values on.
        mixed: Whether they were added up, averaged, weighed or picked from after that.
        by_matrix: Whether a matrix was among what mixed them.
        quantized: Whether they go through whole numbers on the way.
        last: The operator that made them, behind all that hands values on.
    """

    sources: frozenset[Source]
    mixed: bool = False
    by_matrix: bool = False
    quantized: bool = False
    last: str = ""

    def only(self, source: Source) -> bool:
        """Return whether all numbers come from one kind of source."""
        return self.sources == {source}


def decide(
    origin: OutputOrigin, values: npt.NDArray[np.float32], path: str, said: Outputs | None = None
) -> Meaning:
    """Decide what numbers mean.

    Args:
        origin: Where they come from.
        values: float32 ``[pictures, numbers]``, finite answers to pictures that differ.
        path: Path, for error messages.
        said: What the user says; it goes before all else.

    Raises:
        ConfigError: Where they come from and what they are contradict each other and nothing was
            said, or they cannot be what was said.
        ModelFileError: A softmax of one number.
    """
    if lost := without_classes(origin, values):
        raise ModelFileError(f"{path}: {lost}")
    if not len(values):  # none was finite, so there is nothing to look at
        by_source: dict[Source, Meaning] = {"softmax": "probabilities", "sigmoid": "sigmoids"}
        return said or by_source.get(next(iter(origin.sources)), "logits")
    if said == "logits":
        return "logits"
    if said == "probabilities":
        return _said_probabilities(values, origin, path)
    if origin.mixed or origin.sources <= {"linear", "unknown"}:
        return _by_values(origin, values, path)
    if origin.only("log_softmax"):
        return "logits"
    if origin.only("softmax"):
        return _of_softmax(origin, values, path)
    if not _inside(values):
        raise _contradiction(path, "ends in a sigmoid", values)
    return "sigmoids"


def without_classes(origin: OutputOrigin, values: npt.NDArray[np.float32] | None = None) -> str:
    """Say why numbers are none of the classes' own: one was picked, or all were sorted.

    Args:
        origin: Where they come from.
        values: float32 ``[pictures, numbers]``; None: they are not known.

    Returns:
        A sentence; empty: they may be.
    """
    last = origin.last.rpartition(".")[2].replace("_", "").lower().removeprefix("reduce")
    if last in ("argmax", "argmin"):
        what = "gives the number of a class and no probabilities"
    elif last == "topk" and (values is None or _sorted(values)):
        what = "sorts the answers, so that none tells its class"
    elif last in ("max", "amax") and values is not None and _picked(origin, values):
        what = "gives the largest probability, and not of which class"
    else:
        return ""
    return (
        f"ends in {origin.last}, which {what}. Export it again without that operator, or, if it "
        "has another output, name that: `output` NAME."
    )


def _sorted(values: npt.NDArray[np.float32]) -> bool:
    steps = np.diff(values, axis=1)
    return bool((steps <= 0).all() or (steps >= 0).all())


def _picked(origin: OutputOrigin, values: npt.NDArray[np.float32]) -> bool:
    return values.shape[1] == 1 and origin.only("softmax")


def looks_like_probabilities(values: npt.NDArray[np.float32], quantized: bool = False) -> bool:
    """Return whether numbers can be probabilities: 0 to 1, and each row sums to 1.

    Args:
        values: float32 ``[pictures, numbers]``.
        quantized: Whether each is rounded to a multiple of about 1/255.

    Returns:
        Whether they can; never for a single number a picture.
    """
    width = values.shape[1]
    allowed = min(_SUM + width * _STEP / 2, 0.3) if quantized else _SUM
    sums = values.sum(axis=1)
    return _inside(values) and width > 1 and bool(np.abs(sums - 1).max() <= allowed)


def _inside(values: npt.NDArray[np.float32]) -> bool:
    return bool(((values >= -_BEYOND) & (values <= 1 + _SUM)).all())


def _of_softmax(origin: OutputOrigin, values: npt.NDArray[np.float32], path: str) -> Meaning:
    if values.shape[1] == 1:
        raise ModelFileError(f"{path}: ends in a softmax of one number, which is always 1.")
    off = np.abs(values.sum(axis=1) - 1).max()
    if _inside(values) and (origin.quantized or off <= _CLIPPED):
        return "probabilities"
    raise _contradiction(path, "ends in a softmax", values)


def _by_values(origin: OutputOrigin, values: npt.NDArray[np.float32], path: str) -> Meaning:
    """Decide where the last operator leaves it open."""
    if looks_like_probabilities(values, origin.quantized):
        return "probabilities"
    if origin.only("softmax") and looks_like_probabilities(
        values * np.float32(0.01), origin.quantized
    ):
        return "sigmoids"  # percentages, which are divided by their sum
    if looks_like_probabilities(np.exp(-np.maximum(values, -1))):
        return "negative_logs"
    if origin.only("log_softmax"):
        return _of_logarithms(values, path)
    one, inside = values.shape[1] == 1, _inside(values)
    if origin.only("softmax") and inside and (one or origin.quantized):
        return "sigmoids" if one else "probabilities"
    if origin.only("sigmoid") and inside and not origin.by_matrix:
        return "sigmoids"
    squashed = origin.sources <= {"softmax", "sigmoid"}
    if squashed and (inside or not origin.by_matrix):
        raise _contradiction(path, "mixes softmaxes or sigmoids", values)
    if not inside:
        return "logits"
    if origin.only("linear"):
        return _linear_inside(values, path)
    if one:
        return "sigmoids"
    raise _contradiction(
        path, "does not end in a softmax or sigmoid that can be recognized", values
    )


def _of_logarithms(values: npt.NDArray[np.float32], path: str) -> Meaning:
    """Tell by their sign whether logarithms of probabilities were negated."""
    if values.max() <= _BEYOND:
        return "logits"
    if values.min() >= -_BEYOND:
        return "negative_logs"
    raise _contradiction(path, "is made of logarithms of softmaxes", values)


def _linear_inside(values: npt.NDArray[np.float32], path: str) -> Meaning:
    """Treat a single output of a matrix as a logit although it is within 0 to 1, with a notice."""
    if values.shape[1] == 1:
        log.warning(
            "%s: its last layer has no sigmoid, so its single number is read as a logit, though "
            "on the pictures tried here it is between 0 and 1. If it is a probability, use "
            "`outputs` probabilities.",
            path,
        )
    return "logits"


def _said_probabilities(
    values: npt.NDArray[np.float32], origin: OutputOrigin, path: str
) -> Meaning:
    one = values.shape[1] == 1
    if values.min() < -_BEYOND or (one and not _inside(values)):
        raise ConfigError(
            f"{path}: `outputs` probabilities, but its outputs range from {values.min():.4g} to "
            f"{values.max():.4g}. Use `outputs` logits, or leave it out."
        )
    # What does not sum to 1 is divided by its sum, as several sigmoids are.
    return "probabilities" if looks_like_probabilities(values, origin.quantized) else "sigmoids"


def _contradiction(path: str, end: str, values: npt.NDArray[np.float32]) -> ConfigError:
    sums = values.sum(axis=1)
    return ConfigError(
        f"{path}: {end}, but on pictures tried here its outputs range from {values.min():.4g} to "
        f"{values.max():.4g} and sum to {sums.min():.4g} to {sums.max():.4g}, so it is not clear "
        "what they are. Set `outputs` logits or `outputs` probabilities."
    )
