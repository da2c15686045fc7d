"""Decides what the outputs of a foreign model are: probabilities, their logarithms, or logits.

Knows: what the origin of numbers and their values each imply, and that only the user can decide
where these conflict. Does not know graphs: their reader describes the final operators as an
:class:`OutputOrigin`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference.model_file.foreign import Outputs
from kerascnn.inference.model_file.signature import LOGARITHMS, Meaning, of_log_odds

log = logging.getLogger(__name__)

Source = Literal["softmax", "sigmoid", "log_softmax", "linear", "cosine", "unknown"]
"""Operator that a number originates from. ``linear``: a matrix product or a convolution, rectified
or not; ``cosine``: one with vectors of length 1."""

_SUM_TOLERANCE = 1e-2
"""Allowed deviation from 1 of a row's sum: float16 graphs round coarsely."""

_BOUND_TOLERANCE = 1e-3
"""Allowed rounding error of a bound: of a probability below 0, or of a logarithm above 0."""

_CLIPPED = 0.1
"""Allowed deviation from 1 of a softmax's sum, which clipping may change; a softmax over the wrong
axis is further off."""

_STEP = 1 / 255
"""Quantization step of probabilities; each is off by at most half of it."""


@dataclass(frozen=True)
class OutputOrigin:
    """Operators that the numbers of an output originate from."""

    sources: frozenset[Source]  # their kinds, ignoring operators that only pass values on
    mixed: bool = False  # whether they were then added, averaged, weighted or selected from
    by_matrix: bool = False  # whether a matrix product was among the mixing operators
    quantized: bool = False  # whether they are quantized on the way
    squares: bool = False  # whether squares are among what was added
    last: str = ""  # last operator, ignoring those that only pass values on

    def only(self, source: Source) -> bool:
        """Return whether all numbers originate from this kind of source."""
        return self.sources == {source}


def decide(
    origin: OutputOrigin, values: npt.NDArray[np.float32], path: str, said: Outputs | None = None
) -> Meaning:
    """Decide what the numbers of an output mean.

    ``values``: float32 ``[pictures, numbers]``, finite. ``said``: what the user specified, which
    takes precedence.

    Raises:
        ConfigError: Origin and values conflict and the user specified nothing, or the values
            conflict with what the user specified.
        ModelFileError: A softmax over a single number.
    """
    if lost := without_classes(origin, values):
        raise ModelFileError(f"{path}: {lost}")
    if not len(values):  # none was finite, so only the origin counts
        by_source: dict[Source, Meaning] = {"softmax": "probabilities", "sigmoid": "sigmoids"}
        return said or by_source.get(next(iter(origin.sources)), "logits")
    if said == "logits":
        return "logits"
    if said == "probabilities":
        return _check_declared_probabilities(values, origin, path)
    if origin.mixed or origin.sources <= {"linear", "cosine", "unknown"}:
        return _by_values(origin, values, path)
    if origin.only("log_softmax"):
        return "logits"
    if origin.only("softmax"):
        return _check_softmax(origin, values, path)
    if not _within_0_and_1(values):
        raise _contradiction(path, "ends in a sigmoid", values)
    return "sigmoids"


def without_classes(origin: OutputOrigin, values: npt.NDArray[np.float32] | None = None) -> str:
    """Explain why the numbers do not belong to classes: one was selected, or all were sorted.

    Empty if they may. ``values``: float32 ``[pictures, numbers]``; None: not known.
    """
    last = origin.last.rpartition(".")[2].replace("_", "").lower().removeprefix("reduce")
    if last in ("argmax", "argmin"):
        what = "gives the number of a class and no probabilities"
    elif last == "topk" and (values is None or _sorted(values)):
        what = "sorts the answers, so that none tells its class"
    elif last in ("max", "amax") and values is not None and _is_single_softmax(origin, values):
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


def _is_single_softmax(origin: OutputOrigin, values: npt.NDArray[np.float32]) -> bool:
    return values.shape[1] == 1 and origin.only("softmax")


def looks_like_probabilities(values: npt.NDArray[np.float32], quantized: bool = False) -> bool:
    """Return whether numbers can be probabilities: 0 to 1, and each row sums to 1.

    Args:
        values: float32 ``[pictures, numbers]``.
        quantized: Whether each is rounded to a multiple of about 1/255.

    Returns:
        Whether they can be; never for a single number per picture.
    """
    width = values.shape[1]
    allowed = min(_SUM_TOLERANCE + width * _STEP / 2, 0.3) if quantized else _SUM_TOLERANCE
    sums = values.sum(axis=1)
    return _within_0_and_1(values) and width > 1 and bool(np.abs(sums - 1).max() <= allowed)


def _within_0_and_1(values: npt.NDArray[np.float32]) -> bool:
    return bool(((values >= -_BOUND_TOLERANCE) & (values <= 1 + _SUM_TOLERANCE)).all())


def _check_softmax(origin: OutputOrigin, values: npt.NDArray[np.float32], path: str) -> Meaning:
    if values.shape[1] == 1:
        raise ModelFileError(f"{path}: ends in a softmax of one number, which is always 1.")
    off = np.abs(values.sum(axis=1) - 1).max()
    if _within_0_and_1(values) and (origin.quantized or off <= _CLIPPED):
        return "probabilities"
    raise _contradiction(path, "ends in a softmax", values)


def _by_values(origin: OutputOrigin, values: npt.NDArray[np.float32], path: str) -> Meaning:
    """Decide by the values, where the operators do not determine the meaning."""
    if (found := _by_sums(origin, values)) is not None:
        return found
    one, inside = values.shape[1] == 1, _within_0_and_1(values)
    if one and values.max() <= 0 and not origin.only("linear"):
        raise _contradiction(path, "gives one number, which is no probability or logit", values)
    if origin.only("log_softmax"):
        return _meaning_of_logarithms(values, path)
    if origin.only("softmax") and inside and (one or origin.quantized):
        return "sigmoids" if one else "probabilities"
    if origin.only("sigmoid") and inside and not origin.by_matrix:
        return "sigmoids"
    squashed = origin.sources <= {"softmax", "sigmoid"}
    if squashed and (inside or not origin.by_matrix):
        raise _contradiction(path, "mixes softmaxes or sigmoids", values)
    if origin.only("linear"):
        return _meaning_of_linear(values, path) if inside else "logits"
    if one and inside:
        return "sigmoids"
    _check_logits(origin, values, inside, path)
    return "logits"


def _check_logits(
    origin: OutputOrigin, values: npt.NDArray[np.float32], inside: bool, path: str
) -> None:
    """Refuse numbers that may be something else; ``inside``: all are from 0 to 1."""
    rounding = _BOUND_TOLERANCE * np.abs(values).max()
    positive = (origin.only("unknown") or origin.squares) and values.min() >= -rounding
    bounded = bool(np.abs(values).max() <= 1 + _BOUND_TOLERANCE)
    if inside or (bounded and origin.sources <= {"cosine", "unknown"}):
        raise _contradiction(
            path, "does not end in a softmax or sigmoid that can be recognized", values
        )
    if positive:
        raise _contradiction(
            path, "gives no negative numbers, as if they were distances (if the smallest is the "
            "answer, put a Neg at its end and export it again) or the evidence of a Dirichlet "
            "distribution (which `outputs` probabilities divides by its sum)", values,
        )  # fmt: skip


def _by_sums(origin: OutputOrigin, values: npt.NDArray[np.float32]) -> Meaning | None:
    """Recognize probabilities, and what is computed from them, by the sum of each row."""
    if looks_like_probabilities(values, origin.quantized):
        return "probabilities"
    if origin.only("linear"):
        return None
    percent = origin.only("softmax")
    shares = values / (100 if percent else max(1.0, values.sum(axis=1).mean()))
    varied = percent or np.ptp(shares, axis=0).max() > 2 * _SUM_TOLERANCE
    if values.max() > 1 and varied and looks_like_probabilities(shares, origin.quantized):
        return "sigmoids"  # percentages or votes, which are divided by their sum
    for meaning, factor in LOGARITHMS.items():
        if looks_like_probabilities(np.exp(np.minimum(values * np.float32(factor), 1))):
            return meaning
    if looks_like_probabilities(of_log_odds(values)):
        return "log_odds"
    return None


def _meaning_of_logarithms(values: npt.NDArray[np.float32], path: str) -> Meaning:
    """Decide by the sign whether logarithms of probabilities were negated."""
    if values.max() <= _BOUND_TOLERANCE:
        return "logits"
    if values.min() >= -_BOUND_TOLERANCE:
        return "negative_logs"
    raise _contradiction(path, "is made of logarithms of softmaxes", values)


def _meaning_of_linear(values: npt.NDArray[np.float32], path: str) -> Meaning:
    """Treat linear outputs within 0 to 1 as logits; warn if there is only one."""
    if values.shape[1] == 1:
        log.warning(
            "%s: its last layer has no sigmoid, so its single number is read as a logit, though "
            "on the pictures tried here it is between 0 and 1. If it is a probability, use "
            "`outputs` probabilities.",
            path,
        )
    return "logits"


def _check_declared_probabilities(
    values: npt.NDArray[np.float32], origin: OutputOrigin, path: str
) -> Meaning:
    one = values.shape[1] == 1
    if values.min() < -_BOUND_TOLERANCE or (one and not _within_0_and_1(values)):
        raise ConfigError(
            f"{path}: `outputs` probabilities, but its outputs range from {values.min():.4g} to "
            f"{values.max():.4g}. Use `outputs` logits, or leave it out."
        )
    # Rows that do not sum to 1 are divided by their sum, like independent sigmoids.
    return "probabilities" if looks_like_probabilities(values, origin.quantized) else "sigmoids"


def _contradiction(path: str, end: str, values: npt.NDArray[np.float32]) -> ConfigError:
    sums = values.sum(axis=1)
    return ConfigError(
        f"{path}: {end}, but on pictures tried here its outputs range from {values.min():.4g} to "
        f"{values.max():.4g} and sum to {sums.min():.4g} to {sums.max():.4g}, so it is not clear "
        "what they are. Set `outputs` logits or `outputs` probabilities."
    )
