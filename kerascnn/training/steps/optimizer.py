"""The optimiser and its learning-rate schedule.

Knows: AdamW, warm-up and cosine. Does not know: what a step looks like.
"""

from __future__ import annotations

import keras

from kerascnn.training.adamw import AdamW
from kerascnn.training.layerwise import LayerwiseAdamW, block_factors

WARM_UP = 0.1
"""Share of all steps in which the learning rate rises in a line from (almost) zero."""

WEIGHT_DECAY = 0.05
"""Decoupled, so times the learning rate in every step (AdamW, Loshchilov and Hutter 2019,
https://arxiv.org/abs/1711.05101)."""


def make_optimizer(
    core: keras.Model, peak: float, steps: int, layer_decay: float = 1.0, scaled: bool = False
) -> keras.optimizers.Optimizer:
    """Make AdamW with a warm-up and a cosine.

    Args:
        core: The network.
        peak: The highest learning rate.
        steps: In all epochs.
        layer_decay: Of the rate from one block to the next, from the head down.
        scaled: Whether float16 gradients need the loss scaled up.

    Returns:
        The optimiser.
    """
    options = {"learning_rate": schedule(peak, steps), "weight_decay": WEIGHT_DECAY}
    optimizer: keras.optimizers.Optimizer = (
        AdamW(**options)
        if layer_decay == 1
        else LayerwiseAdamW(block_factors(core, layer_decay), **options)
    )
    return keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer


def schedule(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Make the learning-rate schedule: a line up to ``peak``, then a cosine down to 0.

    Args:
        peak: The highest rate.
        steps: In all.

    Returns:
        The schedule.
    """
    warm_up = max(1, round(WARM_UP * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 100,
        warmup_target=peak,
        warmup_steps=warm_up,
        decay_steps=max(1, steps - warm_up),
    )
