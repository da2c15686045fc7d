"""The metrics of the kept network for a run's card, measured after the last epoch.

Knows: training accuracy is measured in inference mode, like every other. Does not know: what the
numbers mean (:mod:`kerascnn.report.verdict`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import keras
import numpy as np
import numpy.typing as npt

from kerascnn.card import ModelCard
from kerascnn.language import sentence
from kerascnn.report.card_facts import learning_of
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.feed import Feed
from kerascnn.training.data.pack import Pack, steps_per_epoch
from kerascnn.training.evaluation.calibration import calibrate
from kerascnn.training.networks.from_pixels import at_size, from_pixels, predict_logits
from kerascnn.training.phases import phase_ends, phases
from kerascnn.training.run.folder import Run

SAMPLE = 2000
"""Maximum number of training pictures: enough to tell 90 % from 92 %, whatever the network
costs."""


@dataclass(frozen=True)
class KeptPredictions:
    """A kept network and its predictions."""

    core: keras.Model
    model: keras.Model
    logits: npt.NDArray[np.float32]
    seconds: float


def predict_kept(run: Run, pictures: Pack, progress: Callback | None = None) -> KeptPredictions:
    """Predict some pictures with a run's saved network.

    Raises:
        ModelFileError: The run folder is not complete.
    """
    card, total = run.card, len(pictures)
    core = run.load_model(card)
    model = from_pixels(core, card.normalization)
    told, began = progress or Callback(), time.perf_counter()
    logits = predict_logits(
        model, pictures.images, lambda done: told.on_work(sentence("validation"), done, total)
    )
    return KeptPredictions(core, model, logits, time.perf_counter() - began)


def evaluate_kept(
    run: Run, feed: Feed, batch_size: int, calibration: bool, progress: Callback
) -> KeptPredictions:
    """Evaluate the kept network on training and validation pictures, and record it in the card.

    The card's metrics get ``steps`` of the optimizer in all epochs, ``train_right`` of
    ``train_images`` training pictures, ``train_top1``, ``val_right`` of ``val_images``,
    ``train_largest`` and ``val_largest``, the number of those in the most common class,
    ``train_fewest`` and ``train_most``, the pictures of the smallest and the largest class,
    ``val_leaked``, the number of validation pictures that are also training pictures,
    ``augmented`` and ``pretrained``, 1 if training used augmentation or pretrained weights, and
    ``shrunk``, how often the input's side fits into the longest side of the training pictures.

    Raises:
        ModelFileError: The run folder is not complete.
    """
    card = run.card
    kept = predict_kept(run, feed.val, progress)
    measured = _measured(run, feed, batch_size, kept, progress)
    run.save_card(replace(card, metrics=card.metrics | measured))
    if calibration:
        progress.on_work(sentence("calibration"), 0, 0)
        calibrate(run, feed.val, kept.logits, feed.leaked)
    return kept


def will_refit(config: TrainConfig, card: ModelCard) -> bool:
    """Return whether a second training follows: not if the first has not learned.

    Args:
        config: Configuration of the run, with ``refit`` resolved.
        card: Its card, with the metrics of :func:`evaluate_kept`.
    """
    learning = learning_of(card)
    return config.refit == "yes" and (learning is None or learning.has_learned)


def _measured(
    run: Run, feed: Feed, batch_size: int, kept: KeptPredictions, progress: Callback
) -> dict[str, float]:
    order = np.random.default_rng(run.config.seed).permutation(len(feed.train))
    sample = np.sort(order[:SAMPLE])
    train = predict_logits(
        kept.model,
        at_size(feed.train.images[sample], run.card.image_size),
        lambda done: progress.on_work(sentence("training pictures"), done, len(sample)),
    )
    right = int((train.argmax(1) == feed.train.labels[sample]).sum())
    steps = steps_per_epoch(len(feed.train), batch_size)
    counts = np.bincount(feed.train.labels)
    config = run.config
    changes = (config.augment != "none", config.random_crop, config.mixup, config.cutmix)
    return {
        "steps": _epochs_of_steps(run) * steps // run.config.accumulate,
        "train_right": right,
        "train_images": len(sample),
        "train_top1": right / len(sample),
        "train_largest": int(np.bincount(feed.train.labels[sample]).max()),
        "train_fewest": int(counts.min()),
        "train_most": int(counts.max()),
        "val_right": int((kept.logits.argmax(1) == feed.val.labels).sum()),
        "val_images": len(feed.val),
        "val_largest": int(np.bincount(feed.val.labels).max()),
        "val_leaked": feed.leaked,
        "augmented": int(any(changes)),
        "pretrained": int(config.weights != "none"),
        "shrunk": feed.dataset.splits["train"].longest_side() // feed.size,
    }


def _epochs_of_steps(run: Run) -> int:
    config, history = run.config, run.history
    done = phase_ends(phases(config), history, config.patience)
    return sum(last - first + 1 for phase, first, last in done if not phase.is_fit)
