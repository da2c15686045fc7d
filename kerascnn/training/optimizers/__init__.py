"""The optimizer and its learning-rate schedule.

Knows: AdamW and SGD, which weights decay, warm-up and cosine decay. Does not know: what a step
looks like.
"""

from __future__ import annotations

from typing import Any

import keras

from kerascnn.training.config import TrainConfig, weight_decay
from kerascnn.training.optimizers.adamw import SGD, AdamW, block_factors

WARM_UP_SHARE = 0.1
"""Share of all steps in which the learning rate rises linearly. Not a tuned value: with 0 to 0.2
the baseline CNN ends equally well, within chance (docs/experiments.md)."""

WARM_UP_RATIO = 100
"""Ratio of the peak learning rate to the initial one: nearly from zero. Not tuned either: from 1 to
10,000 the baseline CNN ends equally well, within chance."""

MOMENTUM = 0.9
"""Momentum of SGD, of Nesterov's kind (Sutskever et al. 2013)."""


def make_optimizer(
    core: keras.Model, config: TrainConfig, peak: float, steps: int
) -> keras.optimizers.Optimizer:
    """Make the optimizer of one phase.

    Args:
        config: Configuration of the run, for optimizer, weight decay, clipping and accumulation.
        steps: Number of batches in all epochs; those whose gradients are only accumulated count
            too.

    Returns:
        The optimizer, not built yet. Biases and BatchNormalization do not decay.
    """
    options: dict[str, Any] = {
        "learning_rate": schedule(peak, steps),
        "weight_decay": weight_decay(config),
        "global_clipnorm": config.clip_norm,
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
    }
    factors = None if config.layer_decay == 1 else block_factors(core, config.layer_decay)
    if config.optimizer == "adamw":
        optimizer = AdamW(factors, **options)
    else:
        optimizer = SGD(factors, momentum=MOMENTUM, nesterov=True, **options)
    flat = [weight for weight in core.trainable_variables if len(weight.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=flat)
    scaled = config.precision == "mixed_float16"
    return keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer


def schedule(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Make the learning-rate schedule: linear warm-up to ``peak``, then cosine decay to 0."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / WARM_UP_RATIO,
        warmup_target=peak,
        warmup_steps=warm_up,
        decay_steps=max(1, steps - warm_up),
    )
