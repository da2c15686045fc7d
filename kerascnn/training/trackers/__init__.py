"""Experiment trackers: MLflow, Weights & Biases and TensorBoard, imported when used.

Knows: which there are; a tracker that fails must not end a run; a run that is resumed or exported
is the same run there, as recorded in ``tracking.json`` in the run folder. Does not know: what is
sent to them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from kerascnn.card import ModelCard
from kerascnn.errors import KerascnnError, kind_and_line, needs_extra
from kerascnn.files import read_text, write_text
from kerascnn.training.callbacks import Callback, EpochRecord
from kerascnn.training.trackers.tracker import Identity, Tracker

log = logging.getLogger(__name__)

TRACKERS = {"mlflow": "MLflow", "wandb": "Weights & Biases", "tensorboard": "TensorBoard"}
"""Names by option value, which is also their package and extra."""

FILE = "tracking.json"
"""File in the run folder with each tracker's identity of the run."""


class Tracking(Callback):
    """Reports to several trackers; one that fails is named once and then left out."""

    def __init__(self, trackers: dict[str, Tracker]) -> None:
        self._trackers = dict(trackers)

    def on_run_begin(self, folder: Path, epochs_done: int) -> None:  # noqa: ARG002 - as in Callback
        """Begin a run in each tracker, or continue the one recorded in the folder."""
        if not self._trackers:
            return
        known = _read(folder)
        options = json.loads(read_text(folder / "config.json"))
        for name, tracker in self._trackers.items():
            try:
                known[name] = tracker.begin(folder, options, known.get(name))
            except Exception as error:  # each has errors of its own
                raise KerascnnError(
                    f"{TRACKERS[name]} cannot start a run ({kind_and_line(error)}). Check its "
                    "settings, or leave it out of `track`; `resume` then continues."
                ) from error
        write_text(folder / FILE, json.dumps(known, indent=2) + "\n")

    def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:  # noqa: ARG002 - as in Callback
        """Send the metrics of an epoch."""
        self._each(lambda tracker: tracker.log(scalars(record), record.epoch))

    def on_run_end(self, folder: Path) -> None:
        """Send the final metrics and the report."""
        if not self._trackers:
            return
        card = ModelCard.from_json(read_text(folder / "card.json"), str(folder / "card.json"))
        self._each(lambda tracker: tracker.finish(folder, card))

    def end(self, succeeded: bool) -> None:
        """Close the run in each tracker."""
        self._each(lambda tracker: tracker.end(succeeded))

    def _each(self, work: Callable[[Tracker], object]) -> None:
        for name, tracker in list(self._trackers.items()):
            if not _attempt(name, partial(work, tracker), "the run continues without it"):
                del self._trackers[name]


@contextmanager
def tracking(names: Iterable[str]) -> Iterator[Tracking]:
    """Make the trackers of a run, and close its runs there at the end in any case.

    Raises:
        MissingExtraError: A tracker is not installed.
    """
    found = Tracking({name: make_tracker(name) for name in dict.fromkeys(names)})
    succeeded = False
    try:
        yield found
        succeeded = True
    finally:
        found.end(succeeded)


def make_tracker(name: str) -> Tracker:
    """Import one tracker.

    Raises:
        MissingExtraError: It is not installed.
    """
    with needs_extra(name, f"to track with {TRACKERS[name]}"):
        import_module(name)
    made: Tracker = import_module(f"{__name__}.{name}_tracker").make()
    return made


def track_export(folder: Path, file: Path, card: ModelCard) -> None:
    """Send an exported file to the trackers of its run; if that fails, the file is still good."""
    for name, identity in _read(folder).items():
        send = partial(_send, folder, name, identity, file, card)
        _attempt(name, send, f"it has no {file}")


def _send(folder: Path, name: str, identity: Identity, file: Path, card: ModelCard) -> None:
    tracker = make_tracker(name)
    tracker.begin(folder, {}, identity)
    try:
        tracker.export(file, card)
    finally:
        tracker.end(True)


def _attempt(name: str, work: Callable[[], object], so: str) -> bool:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - each has its own errors; none ends a run
        log.warning("%s failed (%s); %s.", TRACKERS.get(name, name), kind_and_line(error), so)
        return False
    return True


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    return dict(json.loads(read_text(path))) if path.is_file() else {}


def scalars(record: EpochRecord) -> dict[str, float]:
    """Return the metrics of an epoch under the names that all trackers use."""
    return {
        "loss/training": record.loss,
        "loss/validation": record.val_loss,
        "accuracy/training": record.accuracy,
        "accuracy/validation": record.val_accuracy,
        "learning rate": record.learning_rate,
        "images per second": record.images_per_second,
    }
