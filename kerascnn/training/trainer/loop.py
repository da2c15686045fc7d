"""The loop over epochs: validation, checkpoints, early stopping and resuming.

Knows: phases, the best epoch, checkpoints. Does not know: where pictures come from, what a step
looks like, what happens after the last epoch (:mod:`..one_run`).
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from statistics import median
from typing import Any

import keras

from kerascnn.errors import ModelFileError
from kerascnn.metrics.calibration import cross_entropy
from kerascnn.metrics.significance import wilson_interval
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.clock import Deadline
from kerascnn.training.config import TrainConfig
from kerascnn.training.distribution.processes import broadcast_from_first, is_first
from kerascnn.training.mixed_precision import as_float32
from kerascnn.training.networks.from_pixels import predict_logits
from kerascnn.training.phases import (
    Phase,
    out_of_patience,
    phases,
    total_epochs,
    validation_rank,
)
from kerascnn.training.run.checkpoint import (
    Arrays,
    Checkpoint,
    Position,
    core_variables,
    phase_variables,
    restore,
    values,
)
from kerascnn.training.run.folder import Run
from kerascnn.training.run.provenance import versions, weights_sha256
from kerascnn.training.run.resume import (
    check_backend_unchanged,
    check_data_unchanged,
    data_identity,
    removed_options,
)
from kerascnn.training.trainer.card import first_card, trained_facts
from kerascnn.training.trainer.epoch import Trainer
from kerascnn.training.trainer.extension import extended, needs_more
from kerascnn.training.trainer.one_epoch import train_epoch
from kerascnn.training.trainer.parts import RunParts
from kerascnn.training.trainer.phase import prepare_phase
from kerascnn.training.trainer.time_limit import shorten_remaining, with_epochs


class TrainingLoop:
    """The loop over the epochs of a run, and its state."""

    def __init__(
        self, parts: RunParts, run: Run, progress: Callback, deadline: Deadline | None = None
    ) -> None:
        self.parts, self.run, self.progress, self.deadline = parts, run, progress, deadline
        self.core, feed = parts.start.core, parts.feed
        self.phases = phases(parts.config, parts.start.network)
        self.data = data_identity(feed.dataset.classes, feed.packs, feed.fingerprint)
        self.card = first_card(parts, run)
        self.position = Position()
        self.history: list[EpochRecord] = []
        self.best: EpochRecord | None = None
        self.phase_values: Arrays = ()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore a checkpoint, and publish what an interruption left unwritten.

        Raises:
            ConfigError: The checkpoint was written by another backend.
            DataError: The data has changed.
            ModelFileError: The checkpoint does not fit the network.
        """
        check_backend_unchanged(self.run, checkpoint.versions, versions())
        check_data_unchanged(self.run, checkpoint.data, self.data)
        restore(core_variables(self.core), checkpoint.core, "the network")
        self.phase_values, self.position = checkpoint.stage, checkpoint.position
        self.history = list(checkpoint.history)
        self.best = self.history[checkpoint.best - 1]
        self._extend_if_over()
        phase, done = self.position.phase, self.position.done
        if phase < len(self.phases) and done >= self.phases[phase].epochs:
            raise ModelFileError(
                f"{self.run.checkpoint_folder}: the checkpoint is in epoch {done + 1} of a phase "
                f"of {self.phases[phase].epochs}. It was edited: start a new run."
            )
        self._publish()

    def run_all(self) -> bool:
        """Run the remaining epochs; return whether there were any.

        Raises:
            TrainingError: The loss is not finite.
        """
        before = len(self.history)
        try:
            while self.position.phase < len(self.phases):
                phase = self.phases[self.position.phase]
                self._begin(phase)
                number = self.position.phase
                while self.position.phase == number:
                    self._epoch(len(self.history) + 1, phase)
                    if self._extend_if_over():
                        self._restart()
                    self._keep_deadline()
                    phase = self.phases[number]
        except KeyboardInterrupt:
            if self.best is None:
                # Ctrl-C in the first epoch: a half-trained network is better than nothing.
                self._keep({})
            raise
        return len(self.history) > before

    def facts(self) -> dict[str, Any]:
        """Return the hardware and throughput of the training; call it after :meth:`run_all`."""
        return trained_facts(self.parts.config, self.parts.device, self.trainer, self.history)

    def _begin(self, phase: Phase) -> None:
        """Start a phase: freeze, and make an optimizer and compiled steps for what is trainable."""
        prepared = prepare_phase(self.parts, phase, self.progress)
        self.trainer, self.val, self.batchnorm = prepared.trainer, prepared.val, prepared.batchnorm
        if self.phase_values and self.position.done:
            variables = self._phase_variables()
            stored = self.phase_values
            if removed_options(self.run):
                # Older checkpoints store the random states of removed augmentations first.
                stored = stored[-len(variables) :]
            restore(variables, stored, "the optimizer")
        self.phase_values, self._compiling = (), True
        self._warm_from = len(self.history) + 1
        self.progress.on_phase_begin(
            total_epochs(self.parts.config), self.trainer.steps, self.trainer.batch_size
        )

    def _epoch(self, epoch: int, phase: Phase) -> None:
        start = time.perf_counter()
        averages = self.trainer.averages
        # Between epochs the network holds the averaged weights (EMA); at the start of a phase both
        # are equal.
        with averages.swapped() if averages else nullcontext():
            loss, accuracy, speed = train_epoch(
                self.trainer, self.parts.config.seed, epoch, self._compiling,
                self._advice_if_not_finite(), self.progress,
            )  # fmt: skip
        self._compiling = False
        if self.batchnorm:
            self.batchnorm.estimate()
        rate, judged = self.trainer.learning_rate(), self._validate()
        seconds = time.perf_counter() - start
        self._note(EpochRecord(epoch, rate, loss, accuracy, *judged, speed, seconds), phase)

    def _validate(self) -> tuple[float, float]:
        """Return the loss and the accuracy on the validation pictures."""
        logits = predict_logits(self.trainer.model, self.val.images)
        accuracy = float((logits.argmax(1) == self.val.labels).mean())
        # Rounding differs between machines, and all must agree on when to stop.
        loss, accuracy = broadcast_from_first(cross_entropy(logits, self.val.labels), accuracy)
        return loss, accuracy

    def _phase_variables(self) -> list[keras.Variable]:
        trainer = self.trainer
        assert isinstance(trainer, Trainer)  # noqa: S101 - a fit is over when it is recorded
        return phase_variables(trainer.model, self.core, trainer.optimizer, trainer.averages)

    def _note(self, record: EpochRecord, phase: Phase) -> None:
        """Record an epoch, so that the run can be resumed after it."""
        self.history.append(record)
        self.position = self._next(phase)
        is_best = self._is_kept()
        if is_best:
            self.best = record
        # The checkpoint first: restoring it repeats the publishing that follows.
        self._checkpoint(self.best or record)
        self._publish()
        self.progress.on_epoch_end(record, is_best)

    def _is_kept(self) -> bool:
        """Return whether the newest epoch's network replaces the one that was kept so far.

        ``keep`` ``newest`` takes it unless it is significantly worse than the best: the learning
        rate ends at 0, so the last epoch is expected to be the best.
        """
        newest, best, count = (
            self.history[-1],
            max(self.history, key=validation_rank),
            len(self.val),
        )
        if self.parts.config.keep != "newest":
            return newest is best
        return newest.val_accuracy >= wilson_interval(best.val_accuracy * count, count).low

    def _next(self, phase: Phase) -> Position:
        number, done = self.position.phase, self.position.done + 1
        patience = self.parts.config.patience
        if out_of_patience(self.history, done, patience):
            return Position(number + 1)
        last = number == len(self.phases) - 1
        if done < phase.epochs or (last and needs_more(self.parts.config, phase, self.history[-1])):
            return Position(number, done)
        return Position(number + 1)

    def _extend_if_over(self) -> bool:
        """Plan more epochs if the last phase goes on after the last one; return whether it does.

        The stored configuration, from which they follow, stays.
        """
        number, config = self.position.phase, self.parts.config
        last = number == len(self.phases) - 1
        over = last and self.position.done >= self.phases[number].epochs
        if not over or config.extend != "yes":
            return False
        self._replan(extended(config, self.phases, self.progress))
        return True

    def _replan(self, config: TrainConfig) -> None:
        self.parts = replace(self.parts, config=config)
        self.phases = phases(config, self.parts.start.network)

    def _restart(self) -> None:
        """Begin the current phase again where it is, with the learning rates of the new plan."""
        self.phase_values = values(self._phase_variables())
        self._begin(self.phases[self.position.phase])

    def _keep_deadline(self) -> None:
        """Plan fewer epochs, with a steeper schedule, if the machine has become slower."""
        left = sum(one.epochs for one in self.phases[self.position.phase :]) - self.position.done
        warm = self.history[self._warm_from :]  # without the epoch that compiled
        if self.deadline is None or left <= 0 or not warm:
            return
        fit = int(self.deadline.left() / median(row.seconds for row in warm[-3:]))
        if fit >= left:
            return
        if fit <= 0:
            self.position = Position(len(self.phases))
            return
        epochs = shorten_remaining([phase.epochs for phase in self.phases], self.position, fit)
        self._replan(with_epochs(replace(self.parts.config, extend="no"), self.phases, epochs))
        self.run.save_config(self.parts.config)
        number, done = self.position.phase, self.position.done
        if done == self.phases[number].epochs:
            self.position = Position(number + 1)
        elif done:
            self._restart()

    def _checkpoint(self, best: EpochRecord) -> None:
        if not is_first():
            return
        within = self.position.done > 0
        Checkpoint(
            self.position,
            tuple(self.history),
            best.epoch,
            self.data,
            versions(),
            values(core_variables(self.core)),
            values(self._phase_variables()) if within else (),
        ).save(self.run.checkpoint_folder)

    def _publish(self) -> None:
        """Write the history, and the model if the newest epoch is the best."""
        if self.best is not None and self.best is self.history[-1]:
            self._keep(
                {
                    "epoch": self.best.epoch,
                    "val_top1": self.best.val_accuracy,
                    "val_loss": self.best.val_loss,
                }
            )
        if is_first():
            self.run.save_history(self.history)

    def _keep(self, metrics: dict[str, float]) -> None:
        if not is_first():
            return
        card = replace(self.card, metrics=metrics, weights_sha256=weights_sha256(self.core))
        with as_float32(self.core):
            self.run.save_model(self.core, card)

    def _advice_if_not_finite(self) -> str:
        """Say which model is kept and what to try, for the error if the loss is not finite."""
        kept = (
            f"The model of epoch {self.best.epoch} is kept in {self.run.folder}."
            if self.best
            else "There is no earlier model to keep."
        )
        rate = self.phases[self.position.phase].learning_rate
        return f"{kept} Try a lower `learning_rate` (it was {rate:g})."
