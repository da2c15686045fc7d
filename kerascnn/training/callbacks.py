"""Callbacks, which are called during training.

Knows: the events and their numbers. Does not know: how progress is displayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerascnn.metrics.epoch import EpochRecord as EpochRecord


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Attributes:
        pictures: Number of pictures by split.
        classes: Number of training pictures of each class, in the order of the classes.
        longest_side: Longest side of the original pictures, in pixels.
        image_size: Size of the network's input, in pixels.
        trainable: Number of parameters that are trained in the first phase.
        phases: Epochs and peak learning rate of each phase; rate 0: the head is fitted.
        changes: Options of random augmentation; empty: none.
        refit: Whether a second network is trained on all pictures.
        extend: Whether there are more epochs if the training accuracy is low in the last one.
    """

    data: str
    pictures: dict[str, int]
    classes: tuple[int, ...]
    longest_side: int
    image_size: int
    resize: str
    network: str
    parameters: int
    trainable: int
    weights: str
    device: str
    backend: str
    precision: str
    batch_size: int
    steps: int
    phases: tuple[tuple[int, float], ...]
    optimizer: str
    changes: tuple[str, ...]
    folder: Path
    refit: bool = False
    extend: bool = False


class Callback:
    """Base class of callbacks: its methods are called while a run trains, and do nothing.

    Examples:
        >>> class LastAccuracy(Callback):
        ...     def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:
        ...         self.value = record.val_accuracy
    """

    def on_plan(self, plan: Plan) -> None:
        """Called once before the first step, with the plan of the run."""

    def on_speed(self, images_per_second: float) -> None:
        """Called before each :meth:`on_step_end` but the first, with the mean speed so far."""

    def on_choice(self, option: str, value: str, reason: str) -> None:
        """Called when an option that was ``auto`` is resolved, with the reason."""

    def on_download(self, what: str, done: int, total: int) -> None:
        """Called during a download with the bytes done and the total (0: unknown)."""

    def on_work(self, what: str, done: int, total: int) -> None:
        """Called during work before the first epoch or after the last; ``total`` 0: unknown."""

    def on_run_begin(self, folder: Path, epochs_done: int) -> None:
        """Called when the run folder exists; ``epochs_done`` is above 0 if a run is resumed."""

    def on_read(self, split: str, done: int, total: int) -> None:
        """Called while the pictures of a split are decoded and resized."""

    def on_phase_begin(self, epochs: int, steps: int, batch_size: int) -> None:
        """Called at the start of each phase, with the epochs of the run and the steps of each."""

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Called after some steps, counted from 1, with the epoch's means so far."""

    def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:
        """Called after an epoch; ``kept``: whether its network is kept so far."""

    def on_refit_begin(self, pictures: int) -> None:
        """Called when the second training begins, on so many pictures.

        Its epochs are not reported by :meth:`on_epoch_end`: they have no figures of validation.
        """

    def on_run_end(self, folder: Path) -> None:
        """Called when the run folder is complete, including the report."""


class CallbackList(Callback):
    """Calls several callbacks, one after the other."""

    def __init__(self, *callbacks: Callback) -> None:
        self._callbacks = callbacks

    def __getattribute__(self, name: str) -> Any:
        if name not in _MOMENTS:
            return super().__getattribute__(name)
        bound = [getattr(callback, name) for callback in self._callbacks]

        def call(*values: Any) -> None:
            for one in bound:
                one(*values)

        return call


_MOMENTS = frozenset(name for name in vars(Callback) if not name.startswith("_"))
