"""The preparation of a phase: freezing, cached features and the compiled steps.

Knows: freezing, and whether the head is trained on cached features or on pictures. Does not know:
the loop over epochs, files.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace

import keras

from kerascnn.errors import ConfigError
from kerascnn.training.augmentation.batch import batch_augmentation_of
from kerascnn.training.augmentation.presets import augmentation_layers
from kerascnn.training.auto.hyperparameters import batch_size_for
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import Pack, steps_per_epoch
from kerascnn.training.distribution.device import free_memory
from kerascnn.training.distribution.local_devices import count_devices
from kerascnn.training.networks.blocks import set_trainable
from kerascnn.training.networks.from_pixels import at_size, from_pixels
from kerascnn.training.optimizers import make_optimizer
from kerascnn.training.optimizers.ema import ExponentialMovingAverage
from kerascnn.training.phases import (
    MOST_ANSWERS_TO_FIT,
    MOST_CLASSES_TO_FIT,
    MOST_TO_FIT,
    Phase,
    fits_head,
)
from kerascnn.training.trainer.epoch import Trainer
from kerascnn.training.trainer.frozen_features import (
    FrozenFeaturesHead,
    head_training_model,
    split,
    trains_head_only,
    with_features,
)
from kerascnn.training.trainer.head_fit import HeadFit
from kerascnn.training.trainer.loss import Loss, balanced_weights
from kerascnn.training.trainer.make_backend import make_backend
from kerascnn.training.trainer.parts import RunParts
from kerascnn.training.trainer.plan import changing_options
from kerascnn.training.trainer.precise_batchnorm import FEW_STEPS, PreciseBatchNorm, moving
from kerascnn.training.weights.start import StartingNetwork

FEED = "KERASCNN_FEED"
"""Environment variable for where training pictures are kept: ``resident``, in device memory;
``streamed``, transferred as needed; ``auto``, resident if they fit. The result is the same."""

FEEDS = ("auto", "resident", "streamed")
"""Allowed values of :data:`FEED`."""

log = logging.getLogger(__name__)

SHARE = 0.4
"""Maximum share of the free device memory for pictures; the rest is for weights and activations. A
cautious choice, not a measured one: too small a share only means that pictures are streamed, too
large a one that a step finds no memory."""


@dataclass(frozen=True)
class PreparedPhase:
    """One phase, ready to run.

    Attributes:
        batchnorm: Re-estimates the moving statistics after each epoch; None if none are updated, or
            if an epoch has enough steps to settle them.
    """

    trainer: Trainer | HeadFit
    train: Pack
    val: Pack
    batchnorm: PreciseBatchNorm | None


def prepare_phase(parts: RunParts, phase: Phase, progress: Callback) -> PreparedPhase:
    """Prepare a phase: freeze everything outside its scope, and compile the steps.

    Raises:
        ConfigError: The scope names a block that does not exist.
    """
    config, start, core = parts.config, parts.start, parts.start.core
    train, val = parts.feed.train, parts.feed.val
    if phase.is_fit:
        _check_fit(len(train), core.output_shape[-1])
        set_trainable(core, phase.scope)
        train, val, head = _on_features(start, train, val, progress)
        return PreparedPhase(HeadFit(head, core, train, config, progress), train, val, None)
    set_trainable(core, phase.scope, config.batchnorm)
    model: keras.Model
    if trains_head_only(core) and not changing_options(config):
        train, val, model = _on_features(start, train, val, progress)
    else:
        model = _on_pixels(start, config)
    trainer = _trainer(model, core, config, phase, train, parts.device)
    batchnorm = None
    if trainer.steps < FEW_STEPS and moving(core):
        batchnorm = PreciseBatchNorm(core, start.normalization, train, config.seed)
    return PreparedPhase(trainer, train, val, batchnorm)


def _check_fit(pictures: int, classes: int) -> None:
    if not fits_head(pictures, classes):
        raise ConfigError(
            f"phase head:fit got {pictures:,} pictures of {classes:,} classes; expected at most "
            f"{MOST_TO_FIT:,} and {MOST_CLASSES_TO_FIT}, and at most {MOST_ANSWERS_TO_FIT:,} as "
            "their product. With so many, train the head: head:10."
        )


def _on_pixels(start: StartingNetwork, config: TrainConfig) -> keras.Model:
    trained = start.core
    if trains_head_only(trained):
        log.warning(
            "only the head is trained, but %s changes the pictures in every epoch, so the "
            "frozen blocks run in every step. Without it, they run once per picture.",
            " ".join(changing_options(config)),
        )
        trained = head_training_model(trained)
    augmentation = augmentation_layers(config.augment, config.seed)
    return from_pixels(trained, start.normalization, augmentation)


def _on_features(
    start: StartingNetwork, train: Pack, val: Pack, progress: Callback
) -> tuple[Pack, Pack, FrozenFeaturesHead]:
    """Replace the pictures by features that are computed once."""
    features, head = split(start.core)
    size = start.core.input_shape[1]
    packs = [replace(pack, images=at_size(pack.images, size)) for pack in (train, val)]
    train, val = with_features(
        packs,
        features,
        start.normalization,
        lambda done, total: progress.on_read("features", done, total),
    )
    return train, val, head


def _trainer(
    model: keras.Model,
    core: keras.Model,
    config: TrainConfig,
    phase: Phase,
    train: Pack,
    device: str,
) -> Trainer:
    batch_size = min(batch_size_for(config.batch_size, len(train)), len(train))
    steps = steps_per_epoch(len(train), batch_size) * phase.epochs
    if config.accumulate > steps:
        raise ConfigError(
            f"accumulate is {config.accumulate}, and phase {phase.scope} has {steps} batches in "
            "all: nothing would be trained. Lower `accumulate` or `batch_size`, or train for more "
            "epochs."
        )
    optimizer = make_optimizer(core, config, phase.learning_rate, steps)
    loss = _loss(config, train, core.output_shape[-1])
    averages = None
    if config.ema:
        averages = ExponentialMovingAverage(model, config.ema, config.accumulate)
    devices = count_devices(config.devices)
    backend = make_backend(model, optimizer, loss, batch_size, devices, averages)
    if not backend.xla:
        model.jit_compile = False  # for prediction as well
    # Free memory differs between machines, and all must run the same steps.
    resident = bool(backend.broadcast(int(_resident(train, device))))
    changing = batch_augmentation_of(config, core.input_shape[1])
    return Trainer(model, optimizer, backend, train, batch_size, resident, changing, averages)


def _loss(config: TrainConfig, train: Pack, classes: int) -> Loss:
    balanced = config.class_weights == "balanced"
    weights = balanced_weights(train.labels, classes) if balanced else None
    return Loss(classes, config.label_smoothing, weights)


def _resident(train: Pack, device: str) -> bool:
    said = os.environ.get(FEED) or "auto"
    if said not in FEEDS:
        raise ConfigError(f"{FEED} is {said!r}; expected one of {', '.join(FEEDS)}.")
    if said != "auto":
        return said == "resident"
    free = free_memory(device)
    # If unknown, 2 GiB: any GPU that is fit for training has that to spare.
    return train.images.nbytes <= (2**31 if free is None else free * SHARE)
