"""Runs with a time limit: the number of epochs that fit, measured in the first steps.

Knows: what a run does before, during and after its epochs. Does not know: the loop over them.

The learning-rate schedule ends with the last epoch, so the number of epochs has to be known
beforehand: a schedule that is cut off gives a worse network than one planned for the shorter time
(budgeted training, Li et al. 2020, https://arxiv.org/abs/1905.04753).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kerascnn.errors import ConfigError
from kerascnn.language import sentence
from kerascnn.training.auto.hyperparameters import MOST_EPOCHS
from kerascnn.training.callbacks import Callback
from kerascnn.training.clock import Deadline
from kerascnn.training.config import TrainConfig
from kerascnn.training.evaluation.final import SAMPLE
from kerascnn.training.networks.from_pixels import max_batch_size, predict_logits
from kerascnn.training.phases import Phase, phases
from kerascnn.training.run.checkpoint import Position, core_variables, restore, values
from kerascnn.training.trainer.parts import RunParts
from kerascnn.training.trainer.phase import PreparedPhase, prepare_phase

MEASURED = 1.5
"""Seconds of timed steps, after the first call, which compiles."""

PLANNED = 0.9
"""Share of the remaining time that is planned for epochs. The speed of a machine varies, and the
time for writing files after each epoch is not measured."""

REPORT = 5.0
"""Seconds for the report besides its predictions: figures and the HTML page."""


@dataclass(frozen=True)
class PhaseCost:
    """Time that a phase takes, in seconds.

    Attributes:
        once: Before the first step: freezing, compiling, features.
        epoch: Per epoch: steps, BatchNormalization statistics, validation.
        picture: Per predicted picture.
    """

    once: float
    epoch: float
    picture: float


def shorten_to_limit(
    parts: RunParts, deadline: Deadline, more: bool, progress: Callback
) -> tuple[RunParts, Deadline]:
    """Choose as many epochs as fit into the remaining time.

    Each phase is run for a few seconds; afterwards the weights are restored.

    Args:
        parts: Parts of a run, with ``auto`` replaced by numbers.
        more: Whether there may be more epochs than configured.

    Returns:
        The parts with that many epochs, and the deadline of the last one. A second training
        (``refit``) takes its share of the time. Phases keep their proportions; where epochs are
        added, all phases together have at most
        :data:`~kerascnn.training.auto.hyperparameters.MOST_EPOCHS`.

    Raises:
        ConfigError: Not even one epoch of each phase fits.
    """
    config, feed = parts.config, parts.feed
    stages = phases(config, parts.start.network)
    progress.on_work(sentence("measuring how long an epoch takes"), 0, 0)
    costs = [_cost(parts, phase, progress) for phase in stages]
    after = REPORT + costs[-1].picture * (2 * len(feed.val) + min(SAMPLE, len(feed.train)))
    once = sum(cost.once for cost in costs)
    left, again = deadline.left() * PLANNED - after - once, 0.0
    if config.refit == "yes":
        again = (len(feed.train) + len(feed.val)) / len(feed.train)
        left = (left - once) / (1 + again)
        after += once + again * max(0, left)
    one_each = sum(cost.epoch for cost in costs)
    if one_each > left:
        takes = f"about {one_each:.0f} s" if one_each >= 1 else "less than 1 s"
        raise ConfigError(
            f"an epoch of each phase takes {takes} here, and `time` {config.time} "
            f"leaves {max(0, left):.0f} s after reading, compiling and the report. Allow more "
            "time, or use fewer pictures, a smaller `image_size` or a smaller network."
        )
    epochs = _shared_out(stages, costs, left, more)
    config = with_epochs(config, stages, epochs)
    return replace(parts, config=config), deadline.sooner(after)


def shorten_remaining(epochs: Sequence[int], position: Position, fit: int) -> list[int]:
    """Shorten the remaining phases of a run whose machine has become slower.

    Args:
        fit: Number of epochs that fit, fewer than are left.

    Returns:
        Epochs of each phase. Finished epochs stay; the current phase may end now, and each later
        one keeps at least one epoch.
    """
    ahead = list(epochs[position.phase :])
    ahead[0] -= position.done
    share = max(0.0, fit / sum(ahead))
    now, *later = (int(number * share) for number in ahead)
    kept = [*epochs[: position.phase], position.done + now, *(max(1, number) for number in later)]
    return [max(1, number) for number in kept]


def with_epochs(config: TrainConfig, stages: Sequence[Phase], epochs: Sequence[int]) -> TrainConfig:
    """Replace the numbers of epochs of a run's phases."""
    if not config.phase:
        return replace(config, epochs=epochs[0])
    changed = zip(stages, epochs, strict=True)
    return replace(config, phase=tuple(one.written(count) for one, count in changed))


def _shared_out(
    stages: tuple[Phase, ...], costs: list[PhaseCost], left: float, more: bool
) -> list[int]:
    planned = sum(phase.epochs * cost.epoch for phase, cost in zip(stages, costs, strict=True))
    most = max(1.0, MOST_EPOCHS / sum(phase.epochs for phase in stages)) if more else 1.0
    factor = min(left / planned, most)
    return [1 if phase.is_fit else max(1, int(phase.epochs * factor)) for phase in stages]


def _cost(parts: RunParts, phase: Phase, progress: Callback) -> PhaseCost:
    before = values(core_variables(parts.start.core))
    began = time.perf_counter()
    if phase.is_fit:
        progress = Callback()  # the final fit reports its penalty, not this one
    prepared = prepare_phase(parts, phase, progress)
    steps = prepared.trainer.epoch(parts.config.seed, 1)
    compiled, _, _ = next(steps)
    picture = _prediction_time(prepared)
    once = time.perf_counter() - began
    epoch = picture * len(prepared.val)
    if not phase.is_fit:
        epoch += (_step_time(steps, compiled) or once) * prepared.trainer.steps
    if prepared.batchnorm:
        prepared.batchnorm.estimate()  # compiles
        began = time.perf_counter()
        prepared.batchnorm.estimate()
        epoch += time.perf_counter() - began
    restore(core_variables(parts.start.core), before, "the network")
    return PhaseCost(once, epoch, picture)


def _step_time(steps: Iterable[tuple[int, Any, Any]], compiled: int) -> float:
    """Return the seconds per step of those that follow the compiled ones; 0: there are none."""
    step, began = 0.0, time.perf_counter()
    for total, _, _ in steps:
        done = total - compiled
        step = (time.perf_counter() - began) / done
        if step * done > MEASURED:
            break
    return step


def _prediction_time(prepared: PreparedPhase) -> float:
    """Return the seconds per picture of a compiled prediction of validation pictures."""
    some = prepared.val.images[: max_batch_size(prepared.val.images.shape[1:])]
    predict_logits(prepared.trainer.model, some)
    began = time.perf_counter()
    predict_logits(prepared.trainer.model, some)
    return (time.perf_counter() - began) / len(some)
