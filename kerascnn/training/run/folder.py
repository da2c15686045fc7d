"""The run folder: the files that a training run writes.

Knows: file names, and how each file is written and read. Does not know: how to train.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn import notebook, plots
from kerascnn.card import ModelCard
from kerascnn.dataset.load import BUILTIN
from kerascnn.errors import ModelFileError
from kerascnn.files import atomic_write, did_you_mean, read_text, write_text
from kerascnn.inference.model_file.advice import ONNX, describe_path
from kerascnn.inference.model_file.kinds import CARD, MODEL, REFIT, is_own
from kerascnn.language import tr
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.config import TrainConfig
from kerascnn.training.keras_backend import silenced
from kerascnn.training.run.history import read_history, write_history
from kerascnn.training.trackers import FILE as TRACKING
from kerascnn.typed_json import parse_json

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

_DIRECTORY = "directory"
"""Key in ``machine.json`` of the folder in which training began, to which relative paths refer."""


@dataclass(frozen=True)
class Run:
    """A run folder."""

    folder: Path

    @property
    def model_path(self) -> Path:
        """The kept network, from normalized pixels to logits."""
        return self.folder / MODEL

    @property
    def card_path(self) -> Path:
        """The card that belongs to ``model.keras``."""
        return self.folder / CARD

    @property
    def config_path(self) -> Path:
        """The configuration of the run."""
        return self.folder / "config.json"

    @property
    def history_path(self) -> Path:
        """The metrics, one row per epoch."""
        return self.folder / "history.csv"

    @property
    def report_path(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    @property
    def machine_path(self) -> Path:
        """Machine, versions and speed of the training."""
        return self.folder / "machine.json"

    @property
    def checkpoint_folder(self) -> Path:
        """The folder of checkpoints, for ``--resume``."""
        return self.folder / "checkpoint"

    @property
    def second(self) -> Run:
        """The second training, on all pictures, in a folder of its own."""
        return Run(self.folder / REFIT)

    @property
    def exported(self) -> Run:
        """The training whose network is exported: the second, if it has ended."""
        return self.second if self.second.card_path.is_file() else self

    @property
    def is_finished(self) -> bool:
        """Whether the run is finished."""
        return self._finished_path.exists()

    @property
    def _finished_path(self) -> Path:
        return self.checkpoint_folder / "finished.txt"

    @property
    def card(self) -> ModelCard:
        """The card, read from the folder."""
        return ModelCard.from_json(read_text(self.card_path), str(self.card_path))

    @property
    def config(self) -> TrainConfig:
        """The configuration, read from the folder."""
        return TrainConfig.from_json(read_text(self.config_path), str(self.config_path))

    @property
    def history(self) -> list[EpochRecord]:
        """The rows of ``history.csv``; raises ModelFileError if it is missing or was edited."""
        return read_history(self.history_path)

    def plot(self) -> Figure:
        """Draw loss and accuracy by epoch with matplotlib.

        Raises:
            MissingExtraError: matplotlib is not installed.
            ModelFileError: There is no history of a run.
        """
        history = self.history
        return plots.plot_curves(
            [(one.loss, one.val_loss) for one in history],
            [(one.accuracy, one.val_accuracy) for one in history],
        )

    def _repr_html_(self) -> str:
        from kerascnn.report.card_facts import learning_of
        from kerascnn.report.causes import leaked

        if not self.card_path.is_file():
            return notebook.card(str(self.folder), {tr("status"): tr("no network is kept yet")})
        card = self.card
        val_top1, epoch = card.metrics.get("val_top1"), card.metrics.get("epoch")
        learning = learning_of(card)
        copies = leaked(learning.val_leaked, learning.val_images) if learning else ""
        rows = {
            tr("network"): card.network,
            tr("classes"): f"{len(card.classes):,}",
            tr("validation accuracy"): val_top1 if val_top1 is None else f"{val_top1:.2%}",
            tr("epoch kept"): epoch if epoch is None else f"{epoch:g}",
            tr("status"): tr(
                "finished" if self.is_finished else "not finished: fit(…, resume=True)"
            ),
            tr("warning"): copies or None,
            tr("report"): self.report_path if self.report_path.exists() else None,
        }
        return notebook.card(str(self.folder), rows)

    def load_model(self, card: ModelCard | None = None) -> keras.Model:
        """Load the network of the best epoch, from normalized float32 to logits.

        Raises:
            ModelFileError: There is no such file, Keras cannot read it, or it does not match the
                card, which is ``card`` if it is read already.
        """
        with silenced():
            from kerascnn.training.foreign.inspected import load_inspected

        if not self.model_path.is_file():
            raise ModelFileError(f"{self.model_path}: no such file. Train first: kerascnn train")
        model = load_inspected(self.model_path)[0]
        if card or self.card_path.is_file():
            self._check_card(model, card or self.card)
        return model

    def _check_card(self, model: keras.Model, card: ModelCard) -> None:
        expected = ((None, *card.shape, 3), (None, len(card.classes)))
        if not all(map(_fits, (model.input_shape, model.output_shape), expected)):
            raise ModelFileError(
                f"{self.card_path}: {len(card.classes):,} classes and an image size of "
                f"{card.image_size}, but {self.model_path.name} takes {model.input_shape} and "
                f"outputs {model.output_shape}. Expected the card that was written with it."
            )

    def save_model(self, model: keras.Model, card: ModelCard) -> None:
        """Write ``model.keras`` and ``card.json``, each whole or not at all."""
        with atomic_write(self.model_path) as temporary:
            model.save(temporary)
        self.save_card(card)

    def located(self, config: TrainConfig) -> TrainConfig:
        """Return a run's configuration with data paths that hold from any working directory.

        Relative paths refer to the folder in which training began; those of what exists there
        become absolute, if that is another folder.
        """
        began = self._began
        if began == Path.cwd():
            return config

        def found(value: str) -> str:
            there = began / value
            return str(there) if value not in BUILTIN and there.exists() else value

        val = found(config.val) if isinstance(config.val, str) else config.val
        return replace(config, data=found(config.data), val=val)

    @property
    def _began(self) -> Path:
        """The folder in which training began; the current one if unknown."""
        try:
            return Path(parse_json(read_text(self.machine_path))[_DIRECTORY])
        except (ModelFileError, ValueError, KeyError, TypeError):
            return Path.cwd()  # an older run, or a file that was edited

    def save_machine(self, facts: Mapping[str, object]) -> None:
        """Write ``machine.json``, and keep the folder in which training began."""
        text = json.dumps({**facts, _DIRECTORY: str(self._began)}, indent=2)
        write_text(self.machine_path, text + "\n")

    def save_card(self, card: ModelCard) -> None:
        """Write ``card.json`` alone."""
        write_text(self.card_path, card.to_json(indent=2) + "\n")

    def begin(self, config: TrainConfig) -> None:
        """Write ``config.json``, and remove the files of an earlier run."""
        for path in (*self._files(), *self.second._files()):
            path.unlink(missing_ok=True)
        self.save_config(config)
        self.save_machine({})

    def _files(self) -> tuple[Path, ...]:
        return (
            self.config_path, self.model_path, self.card_path, self.history_path, self.report_path,
            self.machine_path, self._finished_path, self.folder / TRACKING,
            *self.checkpoint_folder.glob("epoch-*.npz"),
        )  # fmt: skip

    def save_config(self, config: TrainConfig) -> None:
        """Write ``config.json``."""
        write_text(self.config_path, config.to_json())

    def save_history(self, records: Sequence[EpochRecord]) -> None:
        """Write ``history.csv``."""
        write_history(self.history_path, records)

    def finish(self) -> None:
        """Mark the run as finished."""
        write_text(self._finished_path, "This run is finished; --resume has nothing to do.\n")


def _fits(shape: object, expected: tuple[int | None, ...]) -> bool:
    """Return whether all sides are as expected, or open."""
    return (
        isinstance(shape, tuple)
        and len(shape) == len(expected)
        and all(one in (None, other) for one, other in zip(shape, expected, strict=True))
    )


def open_run(path: str | Path) -> Run:
    """Open an existing run.

    Raises:
        ModelFileError: There is no run.
    """
    folder = Path(path)
    if not folder.exists():
        raise ModelFileError(
            f"{path}: no such file or folder. Expected a run of kerascnn train.{did_you_mean(path)}"
        )
    if is_own(folder) and folder.is_file():
        folder = folder.parent
    run = Run(folder)
    if not run.card_path.is_file():
        what = describe_path(folder) or (ONNX if folder.suffix.lower() == ".onnx" else "")
        raise ModelFileError(
            f"{path}: not a run folder (there is no {run.card_path.name} in it). Expected a folder "
            f"that kerascnn train wrote. {what}".rstrip()
        )
    return run
