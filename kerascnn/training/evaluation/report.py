"""The content of a run's report, from the run folder, its data and this machine.

Knows: runs, Keras. Does not know: how a report looks (:mod:`kerascnn.report`), how a run is
repeated (:mod:`kerascnn.training.command_line`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np

from kerascnn import files
from kerascnn.card import ModelCard
from kerascnn.dataset import Dataset, load_dataset
from kerascnn.errors import ConfigError, DataError
from kerascnn.images import UInt8Array
from kerascnn.inference.occlusion import Heat
from kerascnn.language import tr
from kerascnn.machine import machine
from kerascnn.metrics.classification import evaluate_predictions
from kerascnn.metrics.outputs import Predictions
from kerascnn.report.card_facts import calibration_facts, learning_of, model_facts
from kerascnn.report.content import Content, Layer, PhaseSpan, Sample, gallery
from kerascnn.report.page import render_page
from kerascnn.training.augmentation.batch import batch_augmentation_of, changed
from kerascnn.training.augmentation.presets import augmentation_layers
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.command_line import commands
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.cache import open_cache
from kerascnn.training.data.labeled import labeled_pack
from kerascnn.training.data.pack import Pack, pack
from kerascnn.training.evaluation import run_data
from kerascnn.training.evaluation.final import KeptPredictions, predict_kept, will_refit
from kerascnn.training.explain.gradcam import GradCam
from kerascnn.training.networks.summary import summarize
from kerascnn.training.phases import phase_ends, phases
from kerascnn.training.run.folder import Run

log = logging.getLogger(__name__)

SAMPLES = 12
"""Maximum number of training pictures shown, one per class."""

VARIANTS = 3
"""Number of augmented variants of each of them."""


def report_or_warn(
    run: Run, dataset: Dataset, train: Pack, val: Pack, kept: KeptPredictions
) -> None:
    """Write the report of a run that has just ended; if that fails, only warn."""
    try:
        write_report(run, dataset, train, val, kept=kept)
    except Exception as error:
        # Hours of training must not look failed because of a report.
        log.warning(
            "%s: could not be written (%s: %s). The run itself is complete.",
            run.report_path,
            type(error).__name__,
            error,
            exc_info=True,
        )


def write_report(
    run: Run,
    dataset: Dataset,
    train: Pack,
    judged: Pack,
    split: str = "val",
    path: str | Path | None = None,
    kept: KeptPredictions | None = None,
) -> Path:
    """Write the report of a run.

    Args:
        dataset: Data set, for class names and the balance of the splits.
        judged: Pictures to evaluate the model on.
        path: Path of the page; None: ``report.html`` in the run folder.
        kept: The run's network and its predictions of those pictures; None: computed here.

    Raises:
        ModelFileError: The run folder is not complete.
        KerascnnError: The page cannot be written.
    """
    page = render_page(
        gather(run, dataset, train, judged, split, kept or predict_kept(run, judged))
    )
    # File names may hold bytes that are not UTF-8; the page shows a question mark for them.
    out = Path(path) if path else run.report_path
    files.write_bytes(out, page.encode("utf-8", "replace"))
    return out


def report_run(
    run: Run, data: str | Path | None = None, split: str | None = None, path: str | None = None
) -> Path:
    """Evaluate a finished run again, on its own data or other, and write the report.

    Args:
        data: Data as for :func:`kerascnn.dataset.load_dataset`; None: the run's own data.
        split: ``train``, ``val``, ``test``, ``all``; None: test, else val, else all.

    Raises:
        DataError: There is no usable data, or it has classes that the model does not know.
        KerascnnError: The page cannot be written.
    """
    card = run.card
    dataset = load_dataset(data, known=card.classes) if data else run_data(run)
    own = _own_data(run, dataset) if data else dataset
    cache = open_cache(run.config.cache)
    name, judged = labeled_pack(dataset, card, split, cache)
    train = own.splits["train"]
    some = train.take(np.unique(train.labels, return_index=True)[1].astype(np.int64))
    return write_report(run, own, pack(some, card.image_size, card.resize), judged, name, path)


def _own_data(run: Run, other: Dataset) -> Dataset:
    """Load the training data of a run; if it is gone, show other data in its place."""
    try:
        return run_data(run)
    except DataError as error:
        log.warning(
            "the training data cannot be read, so the report shows pictures of %s instead. %s",
            other.name,
            error,
        )
    classes = run.card.classes
    splits = {name: other.matched(split, classes) for name, split in other.splits.items()}
    return Dataset(other.name, classes, splits)


def gather(
    run: Run, dataset: Dataset, train: Pack, judged: Pack, split: str, kept: KeptPredictions
) -> Content:
    """Collect the content of a report as plain values; arguments as in :func:`write_report`."""
    card, config, history = run.card, run.config, run.history
    evaluation = evaluate_predictions(_answers(card, judged, split, kept))
    heats, method = _heat_maps(kept.core, kept.model, card.classes)
    return Content(
        name=card.name,
        made=time.strftime("%Y-%m-%d %H:%M %Z").strip(),
        evaluation=evaluation,
        epochs=tuple(history),
        best_epoch=int(card.metrics["epoch"]) if "epoch" in card.metrics else None,
        phase_spans=tuple(_phase_spans(config, history)),
        layers=tuple(_layers(kept.core)),
        mistakes=gallery(evaluation.mistakes, lambda index: judged.images[index], heats),
        method=method,
        samples=_samples(train, card, config),
        balance=dataset.balance(card.classes),
        facts=_facts(card, config, history, len(judged) / kept.seconds),
        commands=tuple(commands(run, card, config)),
        learning=learning_of(card),
        fitted_on="val" if card.temperature != 1 else "",
    )


def _answers(card: ModelCard, judged: Pack, split: str, kept: KeptPredictions) -> Predictions:
    return Predictions(
        logits=kept.logits,
        labels=judged.labels,
        classes=card.classes,
        names=judged.names,
        temperature=card.temperature,
        split=split,
        skipped=judged.skipped,
    )


def _heat_maps(
    core: keras.Model, model: keras.Model, classes: tuple[str, ...]
) -> tuple[Callable[[list[UInt8Array], list[str]], list[Heat | None]], str]:
    try:
        cam = GradCam(core, model)
    except ConfigError:
        # Without a convolution, or on a backend without gradients, there are no heat maps.
        return lambda pictures, _: [None] * len(pictures), ""

    def heats(pictures: list[UInt8Array], answers: list[str]) -> list[Heat | None]:
        return list(cam.heat(np.stack(pictures), np.array([classes.index(a) for a in answers])))

    return heats, "Grad-CAM"


def _phase_spans(config: TrainConfig, history: list[EpochRecord]) -> Iterator[PhaseSpan]:
    for phase, first, last in phase_ends(phases(config), history, config.patience):
        yield PhaseSpan(phase.scope, first, last)


def _layers(core: keras.Model) -> Iterator[Layer]:
    summary = summarize(core)
    homes = {name: block.name for block in summary.blocks for name in block.layers}
    for row in summary.layers:
        yield Layer(
            row.name, homes[row.name], row.type, row.output_shape, row.params, row.trainable
        )


def _samples(train: Pack, card: ModelCard, config: TrainConfig) -> tuple[Sample, ...]:
    classes, size = card.classes, card.image_size
    present, first = np.unique(train.labels, return_index=True)
    pictures = train.images[first[:SAMPLES]]
    layers = augmentation_layers(config.augment, config.seed)
    changing = batch_augmentation_of(config, size)
    draws = changing.draw(VARIANTS, len(pictures), config.seed, 1) if changing else None
    rounds = [
        _augmented(changed(pictures, draws.at(number), size)[0] if draws else pictures, layers)
        for number in range(VARIANTS if layers or changing else 0)
    ]
    return tuple(
        Sample(pictures[index], classes[label], tuple(one[index] for one in rounds))
        for index, label in enumerate(present[:SAMPLES])
    )


def _augmented(pictures: Any, layers: list[keras.layers.Layer]) -> UInt8Array:
    changed: Any = keras.ops.convert_to_numpy(pictures).astype(np.float32)
    for layer in layers:
        changed = layer(changed, training=True)
    rounded = np.rint(keras.ops.convert_to_numpy(changed))
    return np.asarray(np.clip(rounded, 0, 255), np.uint8)


def _second_training(config: TrainConfig, card: ModelCard) -> dict[str, str]:
    if not will_refit(config, card):
        return {}
    words = "on all pictures, for export; all figures here are of the first network"
    return {"second training": tr(words)}


def _facts(
    card: ModelCard, config: TrainConfig, history: list[EpochRecord], answered: float
) -> dict[str, dict[str, str]]:
    return {
        "Model": model_facts(card),
        "Calibration": calibration_facts(card),
        "Data": {
            "name": str(card.data.get("name", "")),
            "fingerprint (SHA-256)": str(card.data.get("sha256", ""))[:16],
            "unreadable pictures": str(card.data.get("skipped", 0)),
            **_second_training(config, card),
        },
        "Speed": {
            **_speed(config.batch_size, history),
            "prediction": tr(
                "{speed} images/s (Keras, from resized pictures, compilation included)",
                speed=f"{answered:,.0f}",
            ),
        },
        "Machine": {**machine(), **_devices()},
        "Versions": dict(card.versions),
    }


def _speed(batch_size: int | str, history: list[EpochRecord]) -> dict[str, str]:
    if not history:
        return {}
    return {
        "training": tr(
            "{speed} images/s (median of {epochs} epochs, batch {batch})",
            speed=f"{median(row.images_per_second for row in history):,.0f}",
            epochs=len(history),
            batch=batch_size,
        ),
        "time in all epochs": tr("{seconds} s", seconds=f"{sum(r.seconds for r in history):,.1f}"),
    }


def _devices() -> dict[str, str]:
    devices = [str(device) for device in keras.distribution.list_devices()]
    return {tr("{backend} devices", backend=keras.config.backend()): ", ".join(devices)}
