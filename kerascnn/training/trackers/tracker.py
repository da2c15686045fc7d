"""What every tracker can do.

Knows: the moments at which one is told something. Does not know any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from kerascnn.card import ModelCard

Identity: TypeAlias = dict[str, str]
"""What a tracker calls a run, as JSON keeps it."""

PROJECT = "kerascnn"
"""Where runs go if the tracker's own environment variable names no other place."""


def run_files(folder: Path) -> list[Path]:
    """Return the files of a run folder that people look at, as far as they are there."""
    files = [folder / name for name in ("card.json", "history.csv", "report.html")]
    return [file for file in files if file.is_file()]


class Tracker(Protocol):
    """Sends one run to one place."""

    def begin(self, folder: Path, options: Mapping[str, Any], known: Identity | None) -> Identity:
        """Begin a run.

        Args:
            folder: The run folder.
            options: The run's options; empty where a run goes on only to be given a file.
            known: What an earlier call returned, if the run goes on; else None.
        """

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Send the numbers of an epoch."""

    def finish(self, folder: Path, card: ModelCard) -> None:
        """Send the card's metrics and the report."""

    def export(self, file: Path, card: ModelCard) -> None:
        """Send an exported file."""

    def end(self, succeeded: bool) -> None:
        """Close the run; nothing to do if none was begun."""
