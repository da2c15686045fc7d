"""The display of a training run on a terminal or in a log.

Knows: rich, and how the numbers of training are worded. Does not know: where they come from.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import rich.progress
from rich.cells import set_cell_size
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from kerascnn.language import count, tr
from kerascnn.training.callbacks import Callback, EpochRecord, Plan
from kerascnn.training.display.header import header


class TrainingDisplay(Callback):
    """Shows a live line on a terminal, and one line per epoch everywhere.

    Attributes:
        folder: Folder of the run; None: there is none yet.
        every: Seconds between two redraws: drawing must not cost training time.
    """

    every = 0.1

    def __init__(self, console: Console, options: Callable[[str], str] = str) -> None:
        self._options = options
        self.folder: Path | None = None
        self._console = console
        self._bar = rich.progress.Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: rich.progress.TaskID | None = None
        self._epochs = self._steps = 0
        self._drawn, self._speed = 0.0, ""

    def __enter__(self) -> TrainingDisplay:
        """Start the live line."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the live line."""
        self._bar.stop()

    def on_run_begin(self, folder: Path, epochs_done: int) -> None:
        """Store the run folder, and tell from where a run is resumed."""
        self.folder = folder
        if epochs_done:
            self.say(
                tr("{folder}: continues after epoch {epoch}", folder=folder, epoch=epochs_done)
            )

    def on_read(self, split: str, done: int, total: int) -> None:
        """Show pictures being decoded."""
        if self._is_time() or done == total:
            self._show(tr("reading {split}", split=tr(split)), done, total, _of(done, total))
        if done == total:
            self._clear()

    def on_phase_begin(self, epochs: int, steps: int, batch_size: int) -> None:
        """Store the numbers of epochs and steps."""
        self._epochs, self._steps, self._speed = epochs, steps, ""
        batch = tr("{pictures} per step", pictures=count(batch_size, "picture"))
        self._show(tr("compiling the first step"), 0, epochs * steps, batch)

    def on_speed(self, images_per_second: float) -> None:
        """Store the speed for the live line."""
        self._speed = "  " + tr("{speed} images/s", speed=f"{images_per_second:,.0f}")

    def on_choice(self, option: str, value: str, reason: str) -> None:
        """Write a permanent line."""
        self.say(f"{'auto':<8} {option}: {value} ({tr(reason)})")

    def on_download(self, what: str, done: int, total: int) -> None:
        """Show a download."""
        if self._is_time() or done == total:
            of = f"/{total / 1e6:,.1f}" if total else ""
            line = tr("fetching {what}", what=what)
            self._show(line, done, total or done, f"{done / 1e6:,.1f}{of} MB")
        if done == total:
            self._clear()

    def on_plan(self, plan: Plan) -> None:
        """Write the header."""
        for name, value in header(plan):
            self.say(f"{set_cell_size(name, 8)} {self._options(value)}")

    def on_work(self, what: str, done: int, total: int) -> None:
        """Show work before the first epoch or after the last."""
        if not total:
            self._show(tr(what), 0, 1, "")
        elif self._is_time() or done == total:
            line = tr("measuring {what}", what=tr(what))
            self._show(line, done, total, _of(done, total))

    def on_step_end(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Show the running means."""
        if not self._is_time():
            return
        numbers = tr(
            "step {step}/{steps}  loss {loss}  accuracy {accuracy}",
            step=step,
            steps=self._steps,
            loss=f"{loss:.4f}",
            accuracy=f"{accuracy:.2%}",
        )
        done = (epoch - 1) * self._steps + step
        what = tr("epoch {epoch}/{epochs}", epoch=epoch, epochs=self._epochs)
        self._show(what, done, self._epochs * self._steps, numbers + self._speed)

    def on_refit_begin(self, pictures: int) -> None:
        """Write a permanent line, since no epochs follow."""
        line = tr("second training, on all {pictures} …", pictures=count(pictures, "picture"))
        self.say(f"{set_cell_size(tr('refit'), 8)} {line}")

    def on_epoch_end(self, record: EpochRecord, kept: bool) -> None:
        """Write a permanent line."""
        self.say(
            tr(
                "epoch {epoch}/{epochs}  loss {loss}  accuracy {accuracy}  val loss {val_loss}  "
                "val accuracy {val_accuracy}  {speed} images/s  {seconds} s",
                epoch=f"{record.epoch:>{len(str(self._epochs))}}",
                epochs=self._epochs,
                loss=f"{record.loss:.4f}",
                accuracy=f"{record.accuracy:.2%}",
                val_loss=f"{record.val_loss:.4f}",
                val_accuracy=f"{record.val_accuracy:.2%}",
                speed=f"{record.images_per_second:,.0f}",
                seconds=f"{record.seconds:.1f}",
            )
            + (tr("  kept") if kept else "")
        )

    def stopped(self, again: str) -> str:
        """Word what is left of an interrupted run; ``again``: command or call that resumes it."""
        if self.folder is None:
            return tr("Stopped before anything was learned.")
        return tr(
            "Stopped. The run so far is in {folder}; continue with: {command}",
            folder=self.folder,
            command=again,
        )

    def _is_time(self) -> bool:
        now = time.perf_counter()
        if now - self._drawn < self.every:
            return False
        self._drawn = now
        return True

    def _show(self, what: str, done: int, total: int, numbers: str) -> None:
        if self._task is None:
            self._task = self._bar.add_task(what, total=total, numbers=numbers)
        self._bar.update(self._task, description=what, completed=done, total=total, numbers=numbers)

    def say(self, line: str) -> None:
        """Write a permanent line."""
        self._console.print(line, soft_wrap=True, markup=False)

    def _clear(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def _of(done: int, total: int) -> str:
    return tr("{done} of {pictures}", done=f"{done:,}", pictures=count(total, "picture"))
