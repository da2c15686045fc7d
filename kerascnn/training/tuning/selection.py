"""The best of a study's trials, and how many others may be as good.

Knows: validation accuracy, validation loss, the number of validation pictures. Does not know:
Optuna's storage, the search space, how trials are run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerascnn.metrics.significance import wilson_interval
from kerascnn.training.auto.hyperparameters import FEW_TO_CHOOSE_BY

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_ONE_STANDARD_ERROR = 0.6827
"""Confidence of an interval that reaches one standard error to either side."""


def best_trial(complete: Sequence[FrozenTrial]) -> FrozenTrial:
    """Choose a trial: the first unless another is better by more than one standard error.

    That is the rule of Breiman et al. (1984, section 3.4.3), for whom the simplest model is the
    first choice. Here it is what ``train`` chooses, which is known to suit many data sets: the best
    of many trials on few pictures is mostly lucky. On very few it must be significantly better.
    """
    highest = max(complete, key=_rank)
    first = min(complete, key=lambda one: one.number)
    few = _pictures(highest) < FEW_TO_CHOOSE_BY
    low = _low(highest) if few else _low(highest, _ONE_STANDARD_ERROR)
    return first if not first.params and top1(first) >= low else highest


def within_chance(complete: Sequence[FrozenTrial], best: FrozenTrial) -> int:
    """Count the other trials whose accuracy is in the 95 % interval of the best one's, or above."""
    low = _low(best)
    return sum(one.number != best.number and top1(one) >= low for one in complete)


def top1(trial: FrozenTrial) -> float:
    """Return the validation accuracy of a finished trial, 0 to 1."""
    return float(trial.value or 0.0)


def _pictures(trial: FrozenTrial) -> int:
    return int(trial.user_attrs["pictures"])


def _low(trial: FrozenTrial, confidence: float = 0.95) -> float:
    pictures = _pictures(trial)
    return wilson_interval(top1(trial) * pictures, pictures, confidence).low


def _rank(trial: FrozenTrial) -> tuple[float, float]:
    """Return the sort key of trials: accuracy, then loss, since few pictures give many ties."""
    return top1(trial), -float(trial.user_attrs["val_loss"])
