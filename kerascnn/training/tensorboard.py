"""What training tells about itself, as TensorBoard shows it.

Knows: TensorBoard's own writer, which needs no TensorFlow. Imported by `--tensorboard` alone.
"""

from __future__ import annotations

from pathlib import Path

from tensorboard.summary import Writer

from kerascnn.training.callbacks import EpochRecord, Plan, Progress

FOLDER = "tensorboard"
"""In the run folder."""


class TensorBoard(Progress):
    """Writes every epoch's numbers into the run folder, and passes on all that it hears.

    Args:
        listener: Who else listens.
    """

    def __init__(self, listener: Progress) -> None:
        self._listener = listener
        self._writer: Writer | None = None

    def opened(self, folder: Path, epochs_done: int) -> None:
        """Begin a file of events; a run that goes on gets a further one in the same folder."""
        self._writer = Writer(str(folder / FOLDER))
        self._listener.opened(folder, epochs_done)

    def planned(self, plan: Plan) -> None:
        """Pass it on."""
        self._listener.planned(plan)

    def speed(self, images_per_second: float) -> None:
        """Pass it on."""
        self._listener.speed(images_per_second)

    def chosen(self, option: str, value: str, reason: str) -> None:
        """Pass it on."""
        self._listener.chosen(option, value, reason)

    def fetching(self, what: str, done: int, total: int) -> None:
        """Pass it on."""
        self._listener.fetching(what, done, total)

    def finishing(self, what: str, done: int, total: int) -> None:
        """Pass it on."""
        self._listener.finishing(what, done, total)

    def reading(self, split: str, done: int, total: int) -> None:
        """Pass it on."""
        self._listener.reading(split, done, total)

    def started(self, epochs: int, steps: int, batch_size: int) -> None:
        """Pass it on."""
        self._listener.started(epochs, steps, batch_size)

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Pass it on."""
        self._listener.step(epoch, step, loss, accuracy)

    def epoch(self, record: EpochRecord, best: bool) -> None:
        """Write the epoch's numbers, so that they can be seen while training goes on."""
        if self._writer is not None:
            for name, value in _scalars(record).items():
                self._writer.add_scalar(name, value, record.epoch)
            self._writer.flush()
        self._listener.epoch(record, best)


def _scalars(record: EpochRecord) -> dict[str, float]:
    return {
        "loss/training": record.loss,
        "loss/validation": record.val_loss,
        "accuracy/training": record.accuracy,
        "accuracy/validation": record.val_accuracy,
        "learning rate": record.learning_rate,
        "images a second": record.images_per_second,
    }
