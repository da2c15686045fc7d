"""Checkpoints, from which a run resumes as if it had never stopped; the last two are kept.

Knows: the variables, the file, and its atomic writing. Does not know: the loop over epochs, what
has to agree before a run may resume (:mod:`.resume`).

A file holds every variable of the network and of the model around it (weights, moving statistics,
the states of random-number generators), the whole optimizer with its step count, on which the
learning rate depends, the history, and the next epoch, on which the order of the pictures depends.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ModelFileError, kind_and_line
from kerascnn.files import atomic_write
from kerascnn.training.callbacks import EpochRecord
from kerascnn.typed_json import build, parse_json
from kerascnn.zip_files import check_for_zip_bomb

if TYPE_CHECKING:
    import keras

    from kerascnn.training.optimizers.ema import ExponentialMovingAverage

log = logging.getLogger(__name__)

KEPT = 2
"""Number of checkpoints that are kept: the second in case the newest is damaged."""

Arrays: TypeAlias = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True)
class Position:
    """The next epoch of a run.

    Attributes:
        phase: Number of the phase, from 0; the number of phases if nothing is left to do.
        done: Finished epochs of that phase.
    """

    phase: int = 0
    done: int = 0


@dataclass(frozen=True)
class _Part:
    pictures: int
    names: str
    labels: str


@dataclass(frozen=True)
class _Data:
    """The result of :func:`kerascnn.training.run.resume.data_identity`."""

    fingerprint: str
    classes: tuple[str, ...]
    splits: dict[str, _Part]


@dataclass(frozen=True)
class _About:
    """The JSON part of a checkpoint."""

    position: Position
    history: tuple[EpochRecord, ...]
    best: int
    data: dict[str, Any]
    versions: dict[str, str]

    def __post_init__(self) -> None:
        build(_Data, self.data)
        epochs = [record.epoch for record in self.history]
        if epochs != [*range(1, len(epochs) + 1)] or not 1 <= self.best <= len(epochs):
            raise ValueError(f"best epoch {self.best} of {len(epochs)}, which must count 1, 2, 3")
        if min(astuple(self.position)) < 0:
            raise ValueError(f"{self.position} comes next")


@dataclass(frozen=True)
class Checkpoint(_About):
    """State of a run between two epochs.

    Attributes:
        position: Next epoch.
        best: Number of the best epoch.
        data: Description of the data; see :func:`kerascnn.training.run.resume.data_identity`.
        core: The network's variables.
        stage: The other variables of the trained model, and the optimizer's. Empty between two
            phases: the next phase makes its own.
    """

    core: Arrays
    stage: Arrays

    def save(self, folder: Path) -> None:
        """Write ``epoch-NUMBER.npz``, and remove the oldest checkpoints.

        Args:
            folder: Folder for checkpoints alone; created if it does not exist.

        Raises:
            KerascnnError: The checkpoint cannot be written; the earlier ones remain.
        """
        about = {one.name: getattr(self, one.name) for one in fields(_About)}
        text = np.frombuffer(json.dumps(about, default=asdict).encode(), np.uint8)
        with atomic_write(folder / f"epoch-{len(self.history):06}.npz") as temporary:
            np.savez(
                temporary, about=text, **_named("core", self.core), **_named("stage", self.stage)
            )
        for old in _files(folder)[:-KEPT]:
            old.unlink(missing_ok=True)


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint that can be read; None if there is none.

    Raises:
        ModelFileError: There are checkpoints, and none can be read.
    """
    found = _files(folder)
    for path in reversed(found):
        try:
            return _read(path)
        except ModelFileError as error:
            log.warning("%s; trying the one before it.", error)
    if found:
        raise ModelFileError(
            f"{folder}: no checkpoint in it can be read, so the run cannot be continued. "
            "Start it again with another `out`."
        )
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.npz"))


def _read(path: Path) -> Checkpoint:
    try:
        check_for_zip_bomb(path, ratio=1, floor=0)  # numpy.savez does not compress
        with np.load(path, allow_pickle=False) as archive:
            about = build(_About, parse_json(archive["about"].tobytes(), finite=False))
            names = sorted(archive.files)
            core, stage = (
                tuple(archive[name] for name in names if name.startswith(kind))
                for kind in ("core-", "stage-")
            )
    except Exception as error:
        # zipfile, zlib, struct, tokenize and numpy raise errors of any class on damaged bytes.
        raise ModelFileError(f"{path}: cannot be read ({kind_and_line(error, 200)})") from error
    return Checkpoint(**vars(about), core=core, stage=stage)


def _named(kind: str, arrays: Arrays) -> dict[str, Any]:
    return {f"{kind}-{index:06}": array for index, array in enumerate(arrays)}


def core_variables(core: keras.Model) -> list[keras.Variable]:
    """List the variables of a network, its layers' random-number generators included."""
    return list(core.variables)


def phase_variables(
    model: keras.Model,
    core: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    averages: ExponentialMovingAverage | None = None,
) -> list[keras.Variable]:
    """List the variables that a phase adds: the model around the network, optimizer, averages."""
    known = {id(variable) for variable in core_variables(core)}
    others = [variable for variable in model.variables if id(variable) not in known]
    return [*others, *optimizer.variables, *(averages.variables if averages else ())]


def values(variables: Sequence[keras.Variable]) -> Arrays:
    """Copy the values of variables out of the backend."""
    from keras import ops

    # To tensors first: a scalar on several TensorFlow devices is no array.
    return tuple(
        np.array(ops.convert_to_numpy(ops.convert_to_tensor(variable))) for variable in variables
    )


def restore(variables: Sequence[keras.Variable], arrays: Arrays, what: str) -> None:
    """Set variables, in the order of :func:`values`, to those of a checkpoint.

    Raises:
        ModelFileError: Their shapes differ.
    """
    wanted = [tuple(variable.shape) for variable in variables]
    if wanted != [array.shape for array in arrays]:
        raise ModelFileError(
            f"the checkpoint holds {len(arrays)} arrays of {what}, which do not match the "
            f"{len(wanted)} that this version needs for the same options. Another version of "
            "kerascnn or Keras wrote it, or the file of `weights` has changed: start a new run "
            "with another `out`."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
