"""What is given damaged files, in the half with Keras: for scripts/fuzz.

Knows: good examples of Keras' files, PyTorch's, checkpoints and run folders, and what opens each.
Does not know how the examples are damaged.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from fuzz_targets import GOLDEN, Target

SIZE = 16


def keras_models(folder: Path) -> Target:
    """Take a run's own model; it is opened as a model made elsewhere."""
    from kerascnn.training.foreign.inspected import load_inspected

    def attempt(name: str, data: bytes) -> object:
        return load_inspected(_written(folder / name, data))[0]

    return Target({"model.keras": (GOLDEN / "old_run/model.keras").read_bytes()}, attempt)


def keras_weights(folder: Path) -> Target:
    """Make HDF5 of both kinds, and safetensors; they become the first weights of a network."""
    from kerascnn.training.weights.start import start_network

    def attempt(name: str, data: bytes) -> object:
        return start_network("cnn", 4, SIZE, str(_written(folder / name, data)))

    return Target(_weights(), attempt)


@cache
def _weights() -> dict[str, bytes]:
    import tempfile

    from keras.src.legacy.saving import legacy_h5_format
    from safetensors.numpy import save

    from kerascnn.training.networks import build_network
    from kerascnn.training.weights.files import tensors_of

    network = build_network("cnn", 4, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        network.save_weights(Path(folder, "m.weights.h5"))
        legacy_h5_format.save_model_to_hdf5(network, f"{folder}/m.h5", include_optimizer=False)
        found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return {**found, "m.safetensors": save(tensors_of(network))}


def checkpoints(folder: Path) -> Target:
    """Make a checkpoint; it is read."""
    import numpy as np

    from kerascnn.training.callbacks import EpochRecord
    from kerascnn.training.run.checkpoint import Checkpoint, Position, latest_checkpoint

    arrays = tuple(np.arange(6, dtype=np.float32).reshape(2, 3) for _ in range(3))
    rows = (EpochRecord(1, 0.1, 2.0, 0.5, 2.0, 0.5, 9.0, 1.0),)
    parts = {"train": {"pictures": 9, "names": "a", "labels": "b"}}
    data = {"fingerprint": "f", "classes": ["a", "b"], "splits": parts}
    Checkpoint(Position(0, 1), rows, 1, data, {"keras": "3"}, arrays, arrays).save(folder)
    (path,) = folder.glob("epoch-*.npz")

    def attempt(name: str, data: bytes) -> object:
        return latest_checkpoint(_written(folder / name, data).parent)

    return Target({path.name: path.read_bytes()}, attempt)


def runs(folder: Path) -> Target:
    """Take a run folder; with one of its small files damaged, all is read that is read of one."""
    from kerascnn.training.run.folder import open_run

    run = shutil.copytree(GOLDEN / "old_run", folder / "run")
    names = ("card.json", "config.json", "history.csv")
    good = {name: (run / name).read_bytes() for name in names}

    def attempt(name: str, data: bytes) -> object:
        (run / name).write_bytes(data)
        try:
            opened = open_run(run)
            return opened.card, opened.config, opened.history
        finally:
            (run / name).write_bytes(good[name])

    return Target(good, attempt)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


TARGETS: dict[str, tuple[Callable[[Path], Target], int]] = {
    "keras": (keras_models, 1), "weights": (keras_weights, 2), "checkpoints": (checkpoints, 1),
    "runs": (runs, 1),
}  # fmt: skip

logging.getLogger("absl").setLevel(logging.CRITICAL)
