"""The interface of the trackers.

Knows: the events that are reported. Does not know: any tracker.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from kerascnn.card import ModelCard

Identity: TypeAlias = dict[str, str]
"""A tracker's identity of a run, JSON-serializable."""

PROJECT = "kerascnn"
"""Default project of runs, unless the tracker's environment variable names another."""


def run_files(folder: Path) -> list[Path]:
    """Return the existing files of a run folder that users look at."""
    files = [folder / name for name in ("card.json", "history.csv", "report.html")]
    return [file for file in files if file.is_file()]


class Tracker(Protocol):
    """Sends one run to one place."""

    def begin(self, folder: Path, options: Mapping[str, Any], known: Identity | None) -> Identity:
        """Begin a run.

        Args:
            options: The run's options; empty if an earlier run is reopened only to send a file.
            known: Return value of an earlier call, if the run continues; else None.
        """

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Send the metrics of an epoch."""

    def finish(self, folder: Path, card: ModelCard) -> None:
        """Send the card's metrics and the report."""

    def export(self, file: Path, card: ModelCard) -> None:
        """Send an exported file."""

    def end(self, succeeded: bool) -> None:
        """Close the run, if one was begun."""
