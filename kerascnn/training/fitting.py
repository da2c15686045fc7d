"""Training: from a configuration to a run folder.

Knows: the order of things, the loop over epochs, what is kept. Does not know: where pictures
come from (dataset), how batches are dealt (feeding), what a step looks like (step), how
progress is shown.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.dataset import Dataset, load_dataset, with_validation
from kerascnn.errors import TrainingError
from kerascnn.inference.reliability import cross_entropy
from kerascnn.training.calibration import calibrate
from kerascnn.training.config import TrainConfig
from kerascnn.training.feeding import Pack, check_classes, fingerprint, pack, shuffled
from kerascnn.training.networks import find_network
from kerascnn.training.phases import Phase, phases, total_epochs
from kerascnn.training.preprocessing import predict_logits
from kerascnn.training.progress import EpochRecord, Progress
from kerascnn.training.provenance import versions, weights_sha256
from kerascnn.training.reporting import report_or_warn
from kerascnn.training.run import Run, create_run
from kerascnn.training.staging import check_scopes, stage
from kerascnn.training.step import start_deterministically
from kerascnn.training.weights import Start, check_weights, start_network


@dataclass(frozen=True)
class Feed:
    """The data of one run, ready to be dealt out.

    Attributes:
        dataset: With a validation split.
        train: Training pictures.
        val: Validation pictures.
        size: Of the network's input, in pixels.
        resize: How every picture was brought to it.
    """

    dataset: Dataset
    train: Pack
    val: Pack
    size: int
    resize: images.Resize


def fit(config: TrainConfig, progress: Progress | None = None) -> Run:
    """Train a classifier.

    Args:
        config: What to do.
        progress: Who listens; None: nobody.

    Returns:
        The run folder, with the network of the best epoch (highest validation accuracy,
        then lowest validation loss).

    Raises:
        ConfigError: An option that does not fit, or a run folder that is taken.
        DataError: No usable data.
        TrainingError: The loss is not finite; the best epoch so far is kept.
        KeyboardInterrupt: Stopped by hand; what was learned so far is kept.
    """
    progress = progress or Progress()
    check_weights(config.model, config.weights)
    start_deterministically(config.seed, config.deterministic)
    feed = prepare(config, progress)
    classes = len(feed.dataset.classes)
    start = start_network(config.model, classes, feed.size, config.weights, config.stem)
    check_scopes(config, start)
    run = create_run(config, feed.dataset.name)
    _Loop(config, feed, start, run, progress).run_all()
    if config.calibration:
        calibrate(run, feed.val)
    report_or_warn(run, feed.dataset, feed.train, feed.val)
    return run


def prepare(config: TrainConfig, progress: Progress) -> Feed:
    """Load, split, decode and size the data of a run.

    Args:
        config: Of the run.
        progress: Who listens.

    Returns:
        The feed.

    Raises:
        DataError: No usable data.
    """
    dataset = with_validation(load_dataset(config.data), config.val, config.seed)
    size = config.image_size or find_network(config.model).image_size
    longest = dataset.splits["train"].longest_side()
    resize = config.resize or images.default_resize(_kind(config), longest, size)
    packs = {}
    for name in ("train", "val"):
        split = dataset.splits[name]
        total = len(split)
        packs[name] = pack(
            split,
            size,
            resize,
            strict=config.strict,
            progress=lambda done, name=name, total=total: progress.reading(name, done, total),  # type: ignore[misc]
        )
    check_classes(dataset, packs["train"])
    return Feed(dataset, packs["train"], packs["val"], size, resize)


def _kind(config: TrainConfig) -> str:
    return "imagenet" if config.weights == "imagenet" else "none"


class _Loop:
    """The loop over epochs, with what it has to remember."""

    def __init__(
        self, config: TrainConfig, feed: Feed, start: Start, run: Run, progress: Progress
    ) -> None:
        self.config, self.feed, self.core, self.run, self.progress = (
            config, feed, start.core, run, progress,
        )  # fmt: skip
        self.start = start
        self.card = _first_card(feed, run, start)
        self.history: list[EpochRecord] = []
        self.best: EpochRecord | None = None

    def run_all(self) -> None:
        epoch = 0
        try:
            for phase in phases(self.config):
                self._begin(phase)
                for epoch in range(epoch + 1, epoch + phase.epochs + 1):  # noqa: B020 - goes on
                    self._finish_epoch(*self._epoch(epoch))
        except KeyboardInterrupt:
            if self.best is None:
                # Ctrl-C in the first epoch: a half-trained network is better than nothing.
                self._keep({})
            raise

    def _begin(self, phase: Phase) -> None:
        """Freeze and compile anew, so that the optimiser sees what may learn now."""
        staged = stage(
            self.start, self.config, phase, self.feed.train, self.feed.val, self.progress
        )
        self.training, self.train, self.val = staged.training, staged.train, staged.val
        self.progress.started(
            total_epochs(self.config), self.training.steps, self.training.batch_size
        )

    def _epoch(self, epoch: int) -> tuple[int, float, float, float, float]:
        start = time.perf_counter()
        total_loss, total_right, seen = 0.0, 0.0, 0
        feed = shuffled(self.train, self.training.batch_size, self.config.seed, epoch)
        for step, (pictures, labels) in enumerate(feed, 1):
            loss, right = self.training.step(pictures, labels)
            if not math.isfinite(loss):
                raise TrainingError(self._not_finite(loss, epoch, step))
            seen += len(labels)
            total_loss += loss * len(labels)
            total_right += right
            self.progress.step(epoch, step, total_loss / seen, total_right / seen)
        return (
            epoch,
            total_loss / seen,
            total_right / seen,
            seen / (time.perf_counter() - start),
            start,
        )

    def _finish_epoch(
        self, epoch: int, loss: float, accuracy: float, speed: float, start: float
    ) -> None:
        logits = predict_logits(self.training.model, self.val.images)
        record = EpochRecord(
            epoch,
            self.training.learning_rate(),
            loss,
            accuracy,
            cross_entropy(logits, self.val.labels),
            float((logits.argmax(1) == self.val.labels).mean()),
            speed,
            time.perf_counter() - start,
        )
        self.history.append(record)
        is_best = self.best is None or _better(record, self.best)
        if is_best:
            self.best = record
            self._keep(
                {
                    "epoch": record.epoch,
                    "val_top1": record.val_accuracy,
                    "val_loss": record.val_loss,
                }
            )
        self.run.save_history(self.history)
        self.progress.epoch(record, is_best)

    def _keep(self, metrics: dict[str, float]) -> None:
        self.run.save_model(
            self.core, replace(self.card, metrics=metrics, weights_sha256=weights_sha256(self.core))
        )

    def _not_finite(self, loss: float, epoch: int, step: int) -> str:
        kept = (
            f"The model of epoch {self.best.epoch} is kept in {self.run.folder}."
            if self.best
            else "There is no earlier model to keep."
        )
        return (
            f"the loss is {loss} in epoch {epoch}, step {step}. {kept} "
            f"Try a lower --learning-rate (it was {self.config.learning_rate})."
        )


def _first_card(feed: Feed, run: Run, start: Start) -> ModelCard:
    packs = {"train": feed.train, "val": feed.val}
    return ModelCard(
        name=Path(run.folder).resolve().name,
        network=start.network,
        classes=feed.dataset.classes,
        image_size=feed.size,
        resize=feed.resize,
        normalization=start.normalization,
        data={
            "name": Path(feed.dataset.name).name,
            "sha256": fingerprint(feed.dataset.classes, packs),
            **{name: len(part) for name, part in packs.items()},
            "skipped": sum(len(part.skipped) for part in packs.values()),
        },
        versions=versions(),
    )


def _better(one: EpochRecord, other: EpochRecord) -> bool:
    return (one.val_accuracy, -one.val_loss) > (other.val_accuracy, -other.val_loss)
