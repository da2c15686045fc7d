"""Options left to ``auto`` that depend on the number of training pictures.

Knows: the rules. Does not know: Keras, how an option is applied. The values are stored in
``config.json`` and shown before the first step; docs/experiments.md has the measurements behind the
rules.
"""

from __future__ import annotations

import math
from dataclasses import replace

from kerascnn.training.config import AUTO, TrainConfig
from kerascnn.training.data.pack import steps_per_epoch
from kerascnn.training.networks import Network
from kerascnn.training.phases import (
    BASELINE,
    FIT_HEAD,
    LEAST_EPOCHS,
    fits_head,
    highest_rate,
    total_epochs,
)

LARGEST_BATCH, SMALLEST_BATCH = 64, 16
"""Bounds of the batch size. The learning rates in the table of networks were found with the
largest."""

STEPS_PER_EPOCH = 25
"""Minimum number of steps per epoch, as long as batches can be made smaller."""

LEAST_STEPS = 300
"""Minimum number of steps in all epochs: a network with random weights needs some, however few its
pictures."""

FROM_SCRATCH = "cnn4"
"""Network of ``model`` ``auto`` for small pictures, or without ImageNet weights;
docs/experiments.md compares it with the baseline CNN."""

FROM_SCRATCH_STEPS = 600
"""The same for that network, which is quick enough: on 35 sets of 36 to 901 pictures, it gains 3.0
points of accuracy by the second 300, for 20 s of processor time."""

MOST_TO_EXTEND = 20_000
"""Maximum number of pictures, over all epochs, up to which a quick network is trained for as many
again by default: about a minute on two cores."""

ENOUGH_STEPS = 250
"""Minimum number of steps for a network of four convolutions; with fewer the baseline CNN learns
more."""

MOST_EPOCHS = 200
"""Maximum number of epochs to reach those steps: each epoch also validates and saves, which takes
longer than a step."""


_STEP_OPTIONS = (
    "epochs", "phase", "batch_size", "patience", "learning_rate", "optimizer", "weight_decay",
    "clip_norm", "ema", "accumulate", "random_crop", "uncropped", "mixup", "cutmix",
)  # fmt: skip
"""Options of training step by step; the fit of a head uses none of them."""

OFTEN = 20
"""Number of epochs from which strong augmentation of photographs pays, however they are chosen: by
default, with up to about 500 pictures."""

FEW_TO_CHOOSE_BY = 100
"""Minimum number of validation pictures to choose an epoch by; on fewer, the highest of many
accuracies is high by chance."""

ENOUGH_TO_HOLD_OUT = 9
"""Pictures per class from which those held out for validation are not missed: with 5, learning from
all of them gains 4.3 points of accuracy on clothes, with 6 and 8 on average 2.1 on photographs and
clothes, with 10 nothing beyond chance."""


def resolve_keep(config: TrainConfig, validation: int) -> TrainConfig:
    """Replace ``keep`` ``auto`` according to the number of validation pictures.

    Returns:
        The configuration. If the user sets the epochs, the best one is kept.
    """
    if config.keep != AUTO:
        return config
    chance = validation < FEW_TO_CHOOSE_BY and config.epochs == AUTO and not config.phase
    return replace(config, keep="newest" if chance else "best")


def resolve_refit(config: TrainConfig, pictures: int, classes: int, possible: bool) -> TrainConfig:
    """Replace ``refit`` ``auto`` according to the number of pictures.

    Args:
        config: Configuration of a run.
        pictures: Number of training and validation pictures.
        classes: Number of classes.
        possible: Whether validation pictures were held out of the training pictures, by a run that
            is one process.
    """
    if config.refit != AUTO:
        return config
    few = pictures < ENOUGH_TO_HOLD_OUT * classes
    return replace(config, refit="yes" if possible and few else "no")


def resolve_extend(
    config: TrainConfig, pictures: int, network: Network | None = None
) -> TrainConfig:
    """Replace ``extend`` ``auto`` according to the number of training pictures.

    Returns:
        The configuration. ``no`` if a user says how long to train, or if as many epochs again
        would take minutes.
    """
    if config.extend != AUTO:
        return config
    said = config.epochs != AUTO or config.phase or config.time
    passes = pictures * total_epochs(resolve_auto(config, pictures, network))
    quick = config.model in (BASELINE, FROM_SCRATCH) and passes <= MOST_TO_EXTEND
    return replace(config, extend="yes" if quick and not said else "no")


def resolve_auto(
    config: TrainConfig, pictures: int, network: Network | None = None, classes: int = 2
) -> TrainConfig:
    """Replace ``auto`` by values that suit the number of training pictures.

    Returns:
        The configuration with a batch size, with epochs if there are no phases, and with a learning
        rate if the batch size was chosen here. A head that is trained alone is fitted, unless an
        option of training step by step is set, or there are too many pictures.
    """
    if _only_fits_head(config) and fits_head(pictures, classes):
        config = replace(config, phase=(FIT_HEAD,))
    batch_size = batch_size_for(config.batch_size, pictures)
    steps = steps_per_epoch(pictures, min(batch_size, pictures))
    if config.epochs == AUTO and not config.phase:
        least = FROM_SCRATCH_STEPS if config.model == FROM_SCRATCH else LEAST_STEPS
        wanted = math.ceil(least / steps)
        config = replace(config, epochs=min(MOST_EPOCHS, max(LEAST_EPOCHS, wanted)))
    if config.learning_rate is None and config.batch_size == AUTO:
        enough = steps * total_epochs(config) >= LEAST_STEPS
        config = replace(config, learning_rate=_rate(config, batch_size, enough, network))
    return replace(config, batch_size=batch_size)


def _only_fits_head(config: TrainConfig) -> bool:
    plain = TrainConfig()
    unsaid = all(getattr(config, name) == getattr(plain, name) for name in _STEP_OPTIONS)
    return config.trainable == "head" and unsaid and config.augment in ("none", AUTO)


def sees_pictures_often(config: TrainConfig, pictures: int, network: Network | None = None) -> bool:
    """Return whether a run sees each picture so often that it can memorize them.

    Returns:
        False also if the user sets few epochs, which leave no time for more than the original
        pictures.
    """
    return total_epochs(resolve_auto(config, pictures, network)) >= OFTEN


def has_enough_steps(config: TrainConfig, pictures: int) -> bool:
    """Return whether a run has the steps that a deeper network needs from random weights.

    Returns:
        False if the user sets few epochs, or there are very few pictures.
    """
    settled = resolve_auto(config, pictures)
    batch_size = min(batch_size_for(settled.batch_size, pictures), pictures)
    return steps_per_epoch(pictures, batch_size) * total_epochs(settled) >= ENOUGH_STEPS


def _rate(
    config: TrainConfig, batch_size: int, enough_steps: bool, network: Network | None
) -> float:
    """Lower the network's learning rate for small batches, whose gradients are noisier.

    For optimizers like Adam, scaling by the square root keeps that noise constant (Malladi et al.
    2022, https://arxiv.org/abs/2205.10287). In very few steps the higher rate gets further.
    """
    factor = math.sqrt(batch_size / LARGEST_BATCH) if enough_steps else 1.0
    return float(f"{highest_rate(config, network) * factor:.3g}")


def batch_size_for(asked: int | str, pictures: int) -> int:
    """Return the batch size: the given one, or one that suits the number of pictures.

    Returns:
        At least 1; if chosen here, a power of two from 16 to 64.
    """
    if not isinstance(asked, str):
        return asked
    wanted = max(1, pictures // STEPS_PER_EPOCH)
    power = 1 << (wanted.bit_length() - 1)
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, power))
