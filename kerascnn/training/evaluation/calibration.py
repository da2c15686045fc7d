"""Calibration by temperature scaling: after it, a probability of 0.9 means nine in ten.

Knows: how the temperature of Guo et al. 2017 (https://arxiv.org/abs/1706.04599) is fitted. Does not
know: how it is applied: as the card's ``temperature``, in the exported graph and in Keras alike.

With b = 1 / temperature, the mean negative log-likelihood of softmax(b z) is a convex function of
b, so the derivative rises, and its only root is found by Newton's method, within an interval that
is bisected if a step would leave it. Dividing by a positive temperature keeps the order of the
logits: no top-1 prediction can change.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kerascnn.metrics.calibration import reliability, row_slices, softmax
from kerascnn.training.data.pack import Pack
from kerascnn.training.run.folder import Run

log = logging.getLogger(__name__)

LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of the temperature; beyond them something else is wrong."""

FEWEST = 20
"""Minimum number of validation pictures; with fewer, the temperature is mostly chance."""

_STEPS, _PRECISION = 60, 1e-12
"""Maximum number of steps, as many as bisection alone would need, and the relative change that ends
them."""


def calibrate(run: Run, val: Pack, logits: npt.NDArray[np.float32], copies: int = 0) -> None:
    """Fit the temperature of a run's kept network, and write it into its card.

    The card's metrics get ``val_ece_uncalibrated``, ``val_ece``, ``val_nll_uncalibrated`` and
    ``val_nll``. If no temperature can be fitted it stays 1, with a warning that says why.

    Args:
        copies: How many of those are also training pictures, of which a network is too sure.

    Raises:
        ModelFileError: The run folder is not complete.
    """
    card = run.card
    leaked = 2 * copies > len(val)
    temperature = None if leaked else fit_temperature(logits, val.labels)
    if temperature is None:
        why = _why(logits, val, leaked)
        log.warning("%s: probabilities are not calibrated: %s", run.folder, why)
    before = reliability(logits, val.labels)
    after = reliability(logits, val.labels, temperature or 1.0)
    measured = {
        "val_ece_uncalibrated": before.ece,
        "val_ece": after.ece,
        "val_nll_uncalibrated": before.nll,
        "val_nll": after.nll,
    }
    run.save_card(replace(card, temperature=after.temperature, metrics=card.metrics | measured))


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float | None:
    """Fit the temperature with the lowest negative log-likelihood.

    Args:
        logits: float32 ``[pictures, classes]``.
        labels: int64 ``[pictures]``.

    Returns:
        Between 0.05 and 20; None if there are fewer than 20 pictures, or if the likelihood has no
        optimum between those (above all if every top-1 prediction is correct: then more confidence
        is always better).
    """
    if len(labels) < FEWEST:
        return None
    low, high = 1 / HIGHEST, 1 / LOWEST
    if _slope(logits, labels, low)[0] >= 0 or _slope(logits, labels, high)[0] <= 0:
        return None
    factor = before = 1.0
    for _ in range(_STEPS):
        slope, rise = _slope(logits, labels, factor)
        low, high = (factor, high) if slope < 0 else (low, factor)
        newton = factor - slope / rise if rise > 0 else math.inf
        before, factor = factor, newton if low <= newton <= high else math.sqrt(low * high)
        if abs(factor - before) <= _PRECISION * factor:
            break
    return 1 / factor


def _slope(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], factor: float
) -> tuple[float, float]:
    """Return the first two derivatives of the negative log-likelihood in 1 / temperature."""
    expected, spread = np.empty(len(labels)), np.empty(len(labels))
    for rows in row_slices(logits):  # with very many classes, all in float64 would fill the memory
        part = logits[rows].astype(np.float64)
        probabilities = softmax(logits[rows], 1 / factor)
        expected[rows] = (probabilities * part).sum(axis=1)
        part -= expected[rows, None]
        spread[rows] = (probabilities * part**2).sum(axis=1)
    own = logits[np.arange(len(labels)), labels]
    return float((expected - own).mean()), float(spread.mean())


def _why(logits: npt.NDArray[np.float32], val: Pack, leaked: bool) -> str:
    if leaked:
        return "most of the validation pictures are also training pictures. Give others with `val`."
    if len(val) < FEWEST:
        return f"{len(val)} validation pictures are too few. Expected at least {FEWEST}."
    if (logits.argmax(axis=1) == val.labels).all():
        return (
            f"all {len(val):,} validation pictures are classified correctly, so they cannot show "
            "overconfidence. More or harder ones could."
        )
    return (
        f"no temperature between {LOWEST:g} and {HIGHEST:g} is best: the predictions are no "
        "better than chance, or almost perfect."
    )
