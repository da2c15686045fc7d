"""The learning-rate range test, which suggests a learning rate within a minute.

Knows: a ramp of learning rates, the smoothed loss along it, and a rule that reads a rate off that
curve. Does not know: run folders, drawing (:mod:`kerascnn.report.lr_range`).

Smith 2017, https://arxiv.org/abs/1506.01186: the rate increases from batch to batch; where the loss
falls the rate is good, and where it diverges the rate is too high.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from kerascnn.errors import ConfigError, TrainingError
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import AUTO, TrainConfig, expect_config
from kerascnn.training.distribution.device import start_deterministically
from kerascnn.training.distribution.local_devices import sharing
from kerascnn.training.mixed_precision import set_precision, warn_if_slow
from kerascnn.training.networks import Network
from kerascnn.training.phases import phases
from kerascnn.training.setup import assemble, check_scopes
from kerascnn.training.trainer.epoch import Trainer
from kerascnn.training.trainer.phase import prepare_phase
from kerascnn.training.weights.check import check_weights

LOWEST, HIGHEST = 1e-6, 1.0
"""Bounds of the ramp of learning rates."""

STEPS = 150
"""Number of optimizer steps along the ramp: 25 per power of ten."""

SMOOTHING = 0.9
"""Momentum of the smoothed loss, which averages about ten steps."""

DIVERGED = 2.0
"""Multiple of the lowest smoothed loss at which it has diverged, and the test ends."""

CALM = 10
"""Number of first steps to ignore, since the smoothed loss averages too few losses."""


@dataclass(frozen=True)
class Suggestion:
    """The result of a learning-rate range test.

    Attributes:
        learning_rate: The suggestion: a tenth of ``lowest``.
        lowest: The learning rate at which the smoothed loss was lowest.
        steepest: The learning rate at which it fell fastest, per decade.
        diverged: Whether the loss diverged before the last step. If not, a higher rate may work
            too.
        rates: Learning rate of each step.
        losses: Smoothed loss of each step, in nats.
    """

    learning_rate: float
    lowest: float
    steepest: float
    diverged: bool
    rates: tuple[float, ...]
    losses: tuple[float, ...]


def find_learning_rate(config: TrainConfig, progress: Callback | None = None) -> Suggestion:
    """Run the learning-rate range test: train at rising rates, and suggest one. Writes nothing.

    Args:
        config: Configuration of the planned run. The test uses its first phase; its learning
            rate, schedule, EMA and ``out`` have no effect.

    Raises:
        ConfigError: An option does not fit.
        DataError: There is no usable data.
        TrainingError: The loss is not finite from the start.
    """
    expect_config(config)
    progress = progress or Callback()
    _check_scope_is_set(config.trainable)
    network = None if config.model == AUTO else check_weights(config.model, config.weights)
    start_deterministically(config.seed, config.deterministic)
    batches = STEPS * config.accumulate
    ramp = keras.optimizers.schedules.ExponentialDecay(
        LOWEST, batches - 1, HIGHEST / LOWEST, name="ramp"
    )
    with sharing(config.device, config.devices):
        trainer = _trainer(config, progress, network)
        trainer.optimizer.learning_rate = ramp
        losses, diverged = _losses(trainer, config, progress)
    rates = np.geomspace(LOWEST, HIGHEST, batches)[config.accumulate - 1 :: config.accumulate]
    return suggest(rates[: len(losses)].tolist(), losses, diverged)


def suggest(rates: Sequence[float], losses: Sequence[float], diverged: bool) -> Suggestion:
    """Suggest a learning rate from a curve of smoothed losses.

    Args:
        rates: Learning rate of each step, increasing by a constant factor.
        losses: Smoothed loss of each step, in nats.
        diverged: Whether the loss diverged at the end.

    Raises:
        TrainingError: There are too few steps.
    """
    if len(losses) <= CALM:
        raise TrainingError(
            f"the loss is not finite after {len(losses)} steps, at a rate of about {LOWEST:g}, "
            "so no learning rate can be suggested. Look at the data (kerascnn data check), or try "
            "`precision` float32."
        )
    lowest = CALM + int(np.argmin(losses[CALM:]))
    falls = np.gradient(np.asarray(losses))[CALM : lowest + 1]
    return Suggestion(
        learning_rate=float(f"{rates[lowest] / 10:.2g}"),
        lowest=rates[lowest],
        steepest=rates[CALM + int(np.argmin(falls))],
        diverged=diverged,
        rates=tuple(rates),
        losses=tuple(losses),
    )


def _check_scope_is_set(trainable: str) -> None:
    if trainable == AUTO:
        raise ConfigError(
            "the learning-rate finder needs to know which blocks are trained, and auto leaves "
            "that open. Run `kerascnn advise` first, and set `model` and its scope or phases."
        )


def _trainer(config: TrainConfig, progress: Callback, network: Network | None) -> Trainer:
    parts = assemble(config, progress, network)
    config, start = parts.config, parts.start
    _check_scope_is_set(config.trainable)
    check_scopes(config, start)
    set_precision(start.core, config.precision)
    warn_if_slow(config.precision, parts.device)
    stepping = [phase for phase in phases(config, start.network) if not phase.is_fit]
    if not stepping:
        raise ConfigError("phase head:fit has no learning rate: the head is fitted in one step.")
    # The number of steps affects only the schedule, which the ramp replaces.
    phase = replace(stepping[0], epochs=STEPS * config.accumulate)
    plain = replace(parts, config=replace(config, ema=None))
    prepared = prepare_phase(plain, phase, progress)
    assert isinstance(prepared.trainer, Trainer)  # noqa: S101 - for mypy
    return prepared.trainer


def _losses(trainer: Trainer, config: TrainConfig, progress: Callback) -> tuple[list[float], bool]:
    """Return the smoothed loss of each optimizer step, and whether it diverged."""
    curve, gathered = _Smoothed(), list[float]()
    for loss in _batches(trainer, config, progress):
        gathered.append(loss)
        if len(gathered) < config.accumulate:
            continue
        if curve.diverges(float(np.mean(gathered))):
            return curve.values, True
        if len(curve.values) == STEPS:
            break
        gathered.clear()
    return curve.values, False


def _batches(trainer: Trainer, config: TrainConfig, progress: Callback) -> Iterator[float]:
    epochs = math.ceil(STEPS * config.accumulate / trainer.steps)
    progress.on_phase_begin(epochs, trainer.steps, trainer.batch_size)
    for epoch in range(1, epochs + 1):
        for step, losses, right in trainer.epoch(config.seed, epoch):
            accuracy = float(np.mean(right)) / trainer.batch_size
            progress.on_step_end(epoch, step, float(np.mean(losses)), accuracy)
            yield from losses.tolist()


class _Smoothed:
    """Bias-corrected exponential moving average (Kingma and Ba 2015, section 3)."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._mean = 0.0

    def diverges(self, loss: float) -> bool:
        """Add a loss if it is finite, and return whether it has diverged."""
        if not np.isfinite(loss):
            return True
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * loss
        self.values.append(self._mean / (1 - SMOOTHING ** (len(self.values) + 1)))
        return len(self.values) > CALM and self.values[-1] > DIVERGED * min(self.values)
