"""Weights & Biases: options, metrics of every epoch, report, and the exported file.

Knows: wandb. Its environment variables (``WANDB_MODE``, ``WANDB_PROJECT``, ``WANDB_DIR``, …) decide
where runs go.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from kerascnn.card import ModelCard
from kerascnn.training.trackers.tracker import PROJECT, Identity, Tracker, run_files


class WeightsAndBiases:
    """A run of wandb."""

    def __init__(self) -> None:
        self._run: Any = None

    def begin(self, folder: Path, options: Mapping[str, Any], known: Identity | None) -> Identity:
        """Begin a run, or continue one."""
        self._run = wandb.init(
            project=known["project"] if known else os.environ.get("WANDB_PROJECT") or PROJECT,
            entity=(known or {}).get("entity") or None,
            id=known["id"] if known else None,
            resume="allow",
            name=None if known else folder.resolve().name,
            config=dict(options) or None,
            # In the run folder, not the current one, unless the user names another.
            dir=os.environ.get("WANDB_DIR") or str(folder),
            settings=wandb.Settings(console="off", silent=True),
        )
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")
        entity = str(self._run.entity or "")
        return known or {"id": self._run.id, "project": self._run.project, "entity": entity}

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Send the metrics of an epoch."""
        self._run.log({**values, "epoch": epoch})

    def finish(self, folder: Path, card: ModelCard) -> None:
        """Send the card's metrics as the run's summary, and the report as an artifact."""
        self._run.summary.update(dict(card.metrics))
        artifact = wandb.Artifact(_name(card, "run"), type="run")
        for file in run_files(folder):
            artifact.add_file(str(file), name=file.name)
        self._run.log_artifact(artifact)

    def export(self, file: Path, card: ModelCard) -> None:
        """Send an exported file as an artifact of type ``model``."""
        about = {"network": card.network, "precision": card.precision, "classes": [*card.classes]}
        artifact = wandb.Artifact(_name(card, "onnx"), type="model", metadata=about)
        artifact.add_file(str(file), name=file.name)
        self._run.log_artifact(artifact)

    def end(self, succeeded: bool) -> None:
        """Close the run."""
        if self._run is not None:
            self._run.finish(exit_code=0 if succeeded else 1)


def _name(card: ModelCard, what: str) -> str:
    """Return the name of an artifact: wandb allows letters, digits, and ``-_.``."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "-_.") else "-"
                    for one in card.name)  # fmt: skip
    return f"{plain[:100]}-{what}"


def make() -> Tracker:
    """Make the tracker."""
    return WeightsAndBiases()
