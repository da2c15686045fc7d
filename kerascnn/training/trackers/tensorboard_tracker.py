"""TensorBoard: metrics of every epoch, in ``tensorboard/`` in the run folder.

Knows: TensorBoard's own writer, which needs no TensorFlow. Does not know: what the metrics are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.summary import Writer

from kerascnn.card import ModelCard
from kerascnn.training.trackers.tracker import Identity, Tracker


class TensorBoard:
    """A TensorBoard event file."""

    def __init__(self) -> None:
        self._writer: Any = None

    def begin(self, folder: Path, options: Mapping[str, Any], known: Identity | None) -> Identity:
        """Begin an event file; a resumed run gets another one in the same folder."""
        if options:
            self._writer = Writer(str(folder / "tensorboard"))
        return known or {"folder": "tensorboard"}

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Write the metrics of an epoch at once, so that they are visible during training."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def finish(self, folder: Path, card: ModelCard) -> None:
        """Send nothing: TensorBoard shows neither pages nor files."""

    def export(self, file: Path, card: ModelCard) -> None:
        """Send nothing, for the same reason."""

    def end(self, succeeded: bool) -> None:  # noqa: ARG002 - as in Tracker
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def make() -> Tracker:
    """Make the tracker."""
    return TensorBoard()
