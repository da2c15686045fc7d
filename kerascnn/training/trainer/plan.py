"""The plan of a run, gathered before its first step.

Knows: where each fact is found. Does not know: how it is displayed.
"""

from __future__ import annotations

import keras
import numpy as np

from kerascnn.training.auto.hyperparameters import batch_size_for
from kerascnn.training.callbacks import Plan
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import steps_per_epoch
from kerascnn.training.networks.blocks import blocks, set_trainable
from kerascnn.training.phases import phases
from kerascnn.training.run.folder import Run
from kerascnn.training.trainer.parts import RunParts


def plan(parts: RunParts, run: Run) -> Plan:
    """Gather the plan of a run, whose ``auto`` options are replaced by numbers."""
    config, feed, start = parts.config, parts.feed, parts.start
    stages = phases(config, start.network)
    set_trainable(start.core, stages[0].scope, config.batchnorm)
    every = blocks(start.core)
    batch_size = min(batch_size_for(config.batch_size, len(feed.train)), len(feed.train))
    return Plan(
        data=feed.dataset.title,
        pictures={name: len(pack) for name, pack in feed.packs.items()},
        classes=tuple(np.bincount(feed.train.labels, minlength=len(feed.dataset.classes)).tolist()),
        longest_side=feed.dataset.splits["train"].longest_side(),
        image_size=feed.size,
        resize=feed.resize,
        network=start.network.name,
        parameters=sum(block.params for block in every),
        trainable=sum(block.trainable_params for block in every),
        weights=config.weights,
        device=parts.device,
        backend=keras.config.backend(),
        precision=config.precision,
        batch_size=batch_size,
        steps=steps_per_epoch(len(feed.train), batch_size),
        phases=tuple((stage.epochs, stage.learning_rate) for stage in stages),
        optimizer=config.optimizer,
        changes=tuple(changing_options(config)),
        folder=run.folder,
        refit=config.refit == "yes",
        extend=config.extend == "yes",
    )


def changing_options(config: TrainConfig) -> list[str]:
    """Name the options that change the pictures anew in every epoch."""
    values = {"random_crop": config.random_crop, "mixup": config.mixup, "cutmix": config.cutmix}
    if config.random_crop:
        values["uncropped"] = config.uncropped
    augment = [f"`augment` {config.augment}"] if config.augment != "none" else []
    return [*augment, *(f"`{name}` {value}" for name, value in values.items() if value)]
