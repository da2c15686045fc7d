"""What a run's report shows, gathered from the run folder, its data and this machine.

Knows: runs, Keras, the command line's option names (so that a run can be repeated). Does not
know how a report looks (:mod:`kerascnn.report`).
"""

from __future__ import annotations

import logging
import os
import platform
import shlex
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np

from kerascnn import __version__, files
from kerascnn.card import ModelCard
from kerascnn.dataset import Dataset
from kerascnn.dataset.split import SPLITS
from kerascnn.inference.answers import Answers
from kerascnn.inference.metrics import evaluate_answers
from kerascnn.parallel import usable_cpus
from kerascnn.report import Content, Epoch, Layer, Sample, most_confident_mistakes, render_page
from kerascnn.training.augmentation import augmentation_layers
from kerascnn.training.config import TrainConfig
from kerascnn.training.feeding import Pack
from kerascnn.training.preprocessing import from_pixels, predict_logits
from kerascnn.training.progress import EpochRecord
from kerascnn.training.run import Run
from kerascnn.training.summary import summarize

log = logging.getLogger(__name__)

SAMPLES = 12
"""Training pictures shown at most, one a class."""


def report_or_warn(run: Run, dataset: Dataset, train: Pack, judged: Pack) -> None:
    """Write the report of a run that has just ended; if that fails, the run is still good.

    Args:
        run: Complete.
        dataset: For class names and the balance of the splits.
        train: Training pictures.
        judged: Validation pictures.
    """
    try:
        write_report(run, dataset, train, judged)
    except Exception as error:
        # Hours of training must not look failed because of a page about them.
        log.warning(
            "%s: could not be written (%s: %s). The run itself is complete.",
            run.report_path,
            type(error).__name__,
            error,
            exc_info=True,
        )


def write_report(run: Run, dataset: Dataset, train: Pack, judged: Pack, split: str = "val") -> Path:
    """Write ``report.html`` into a run folder.

    Args:
        run: Complete.
        dataset: For class names and the balance of the splits.
        train: Training pictures.
        judged: Pictures to judge the model on.
        split: What those are called.

    Returns:
        Where the page lies.

    Raises:
        ModelFileError: The run folder is not complete.
        KerascnnError: The page cannot be written.
    """
    page = render_page(gather(run, dataset, train, judged, split))
    # File names may hold bytes that are not UTF-8; the page shows a question mark for them.
    files.write_bytes(run.report_path, page.encode("utf-8", "replace"))
    return run.report_path


def gather(run: Run, dataset: Dataset, train: Pack, judged: Pack, split: str) -> Content:
    """Collect all that a report shows.

    Args:
        run: Complete.
        dataset: For class names and the balance of the splits.
        train: Training pictures.
        judged: Pictures to judge the model on.
        split: What those are called.

    Returns:
        The content, plain arrays and numbers.
    """
    card, config, history = run.card, run.config, run.history
    core = run.load_model()
    logits = predict_logits(from_pixels(core, card.normalization), judged.images)
    answers = Answers(
        logits, judged.labels, card.classes, judged.names, card.temperature, split, judged.skipped
    )
    return Content(
        name=card.name,
        made=time.strftime("%Y-%m-%d %H:%M %Z").strip(),
        evaluation=evaluate_answers(answers),
        epochs=tuple(_epochs(history)),
        best_epoch=int(card.metrics["epoch"]) if "epoch" in card.metrics else None,
        layers=tuple(
            Layer(row.name, row.type, row.output_shape, row.params, row.trainable)
            for row in summarize(core).layers
        ),
        mistakes=most_confident_mistakes(
            answers.probabilities, judged.labels, judged.images, judged.names, card.classes
        ),
        samples=_samples(train, card.classes, config),
        balance={
            name: tuple(np.bincount(part.labels, minlength=len(card.classes)).tolist())
            for name, part in sorted(dataset.splits.items(), key=lambda item: SPLITS.index(item[0]))
        },
        facts=_facts(card, config, history),
        commands=tuple(_commands(run, card, config)),
    )


def _epochs(history: list[EpochRecord]) -> Iterator[Epoch]:
    for row in history:
        yield Epoch(
            row.epoch, row.learning_rate, row.loss, row.accuracy, row.val_loss, row.val_accuracy
        )


def _samples(train: Pack, classes: tuple[str, ...], config: TrainConfig) -> tuple[Sample, ...]:
    present, first = np.unique(train.labels, return_index=True)
    pictures = np.asarray(train.images[first[:SAMPLES]], np.float32)
    for layer in augmentation_layers(config.augment, config.seed):
        pictures = keras.ops.convert_to_numpy(layer(pictures, training=True))
    rounded = np.clip(np.rint(pictures), 0, 255).astype(np.uint8)
    return tuple(
        Sample(picture, classes[label]) for picture, label in zip(rounded, present, strict=False)
    )


def _facts(
    card: ModelCard, config: TrainConfig, history: list[EpochRecord]
) -> dict[str, dict[str, str]]:
    return {
        "Model": {
            "network": card.network,
            "input": f"{card.image_size} × {card.image_size} pixels, {card.resize}",
            "weights (SHA-256)": card.weights_sha256[:16],
        },
        "Data": {
            "name": str(card.data.get("name", "")),
            "fingerprint (SHA-256)": str(card.data.get("sha256", ""))[:16],
            "left out as broken": str(card.data.get("skipped", 0)),
        },
        "Speed": _speed(config, history),
        "Machine": _machine(),
        "Versions": dict(card.versions),
    }


def _speed(config: TrainConfig, history: list[EpochRecord]) -> dict[str, str]:
    if not history:
        return {}
    return {
        "training": f"{median(row.images_per_second for row in history):,.0f} images/s "
        f"(median of {len(history)} epochs, batch {config.batch_size})",
        "time in all epochs": f"{sum(row.seconds for row in history):,.1f} s",
    }


def _machine() -> dict[str, str]:
    devices = [str(device) for device in keras.distribution.list_devices()]
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "processors used": str(usable_cpus()),
        "memory": _memory(),
        f"{keras.config.backend()} devices": ", ".join(devices),
    }


def _processor(source: Path = Path("/proc/cpuinfo")) -> str:
    if source.is_file():
        for line in source.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _commands(run: Run, card: ModelCard, config: TrainConfig) -> Iterator[str]:
    yield f"pip install 'kerascnn[train]=={card.versions.get('kerascnn', __version__)}'"
    yield train_command(config)
    yield f"kerascnn export {shlex.quote(str(run.folder))} --onnx"


def train_command(config: TrainConfig) -> str:
    """Write the command line that trains with a configuration.

    Args:
        config: Of a run.

    Returns:
        ``kerascnn train ...``, quoted for a POSIX shell; options at their default are left out.
    """
    words = ["kerascnn", "train", config.data]
    for option in fields(config):
        value = getattr(config, option.name)
        if option.name != "data" and (value != option.default or option.name == "seed"):
            words += _option(option.name, value)
    return shlex.join(words)


def _option(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is False:
        return ["--no-" + flag.removeprefix("--")]
    return [flag] if value is True else [flag, str(value)]
