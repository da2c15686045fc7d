"""MLflow: options, metrics of every epoch, report, and the exported file in the registry.

Knows: MLflow's tracking, and its ONNX flavor, whose models take the graph's own input: uint8
``[batch, height, width, 3]``. Its environment variables (``MLFLOW_TRACKING_URI``,
``MLFLOW_EXPERIMENT_NAME``) decide where runs go.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from kerascnn.card import ModelCard
from kerascnn.training.trackers.tracker import PROJECT, Identity, Tracker, run_files

_LONGEST = 500
"""Maximum length of an option's value, in characters; older servers refuse more."""

# Give up on an unreachable server within seconds; MLflow's default is many minutes.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


class MLflow:
    """A run of MLflow."""

    def __init__(self) -> None:
        self._client: Any = None
        self._run_id = ""

    def begin(self, folder: Path, options: Mapping[str, Any], known: Identity | None) -> Identity:
        """Begin a run, or continue one."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        uri = known["uri"] if known else mlflow.get_tracking_uri()
        client = mlflow.MlflowClient(tracking_uri=uri)
        if known:
            client.update_run(known["run_id"], status="RUNNING")
            self._run_id = known["run_id"]
        else:
            experiment = _experiment(client)
            run = client.create_run(experiment, run_name=folder.resolve().name)
            self._run_id = str(run.info.run_id)
            for name, value in options.items():
                client.log_param(self._run_id, name, str(value)[:_LONGEST])
        self._client = client
        return {"uri": uri, "run_id": self._run_id}

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """Send the metrics of an epoch."""
        for name, value in values.items():
            self._client.log_metric(self._run_id, name, value, step=epoch)

    def finish(self, folder: Path, card: ModelCard) -> None:
        """Send the card's metrics, and the report as an artifact."""
        for name, value in card.metrics.items():
            self._client.log_metric(self._run_id, name, value)
        for file in run_files(folder):
            self._client.log_artifact(self._run_id, str(file))

    def export(self, file: Path, card: ModelCard) -> None:
        """Register an exported file as a model of MLflow's ONNX flavor, under the card's name."""
        import mlflow.onnx
        import onnx

        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(self._client.tracking_uri)
        try:
            with mlflow.start_run(run_id=self._run_id):
                mlflow.onnx.log_model(
                    onnx.load(str(file)),
                    name=file.stem,
                    registered_model_name=card.name,
                    signature=_signature(card),
                    # The graph resizes pictures exactly only with this provider.
                    onnx_execution_providers=["CPUExecutionProvider"],
                    pip_requirements=mlflow.onnx.get_default_pip_requirements(),
                    save_as_external_data=False,
                    metadata={"classes": list(card.classes), "precision": card.precision},
                )
        finally:
            mlflow.set_tracking_uri(before)

    def end(self, succeeded: bool) -> None:
        """Close the run."""
        if self._client is not None:
            self._client.set_terminated(self._run_id, "FINISHED" if succeeded else "FAILED")


def _experiment(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
    if os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return os.environ["MLFLOW_EXPERIMENT_ID"]
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _signature(card: ModelCard) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    answers = (-1, len(card.classes))
    return ModelSignature(
        Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3), "image")]),
        Schema([TensorSpec(np.dtype(np.float32), answers, name)
                for name in ("logits", "probabilities")]),
    )  # fmt: skip


def make() -> Tracker:
    """Make the tracker."""
    return MLflow()
