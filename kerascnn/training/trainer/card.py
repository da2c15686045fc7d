"""The model card of a new run, and the hardware facts of a finished one.

Knows: where each entry comes from. Does not know: metrics, which are measured after training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from kerascnn.card import ModelCard
from kerascnn.inference.learned import REMEMBERED
from kerascnn.training.callbacks import EpochRecord
from kerascnn.training.config import TrainConfig
from kerascnn.training.distribution.device import kernels, peak_memory
from kerascnn.training.distribution.local_devices import total_devices
from kerascnn.training.run.folder import Run
from kerascnn.training.run.provenance import versions
from kerascnn.training.trainer.epoch import Trainer
from kerascnn.training.trainer.head_fit import HeadFit
from kerascnn.training.trainer.parts import RunParts


def first_card(parts: RunParts, run: Run) -> ModelCard:
    """Make the card of a new run: network, classes, image size and data."""
    feed, start = parts.feed, parts.start
    test = feed.dataset.splits.get("test", ())
    return ModelCard(
        name=Path(run.folder).resolve().name,
        network=start.network.name,
        classes=feed.dataset.classes,
        image_size=feed.size,
        resize=feed.resize,
        normalization=start.normalization,
        data={
            "name": feed.dataset.title,
            "sha256": feed.fingerprint,
            **{name: len(part) for name, part in feed.packs.items()},
            **({"test": len(test)} if len(test) else {}),
            "skipped": sum(len(part.skipped) for part in feed.packs.values()),
            REMEMBERED: feed.remembered(feed.dataset.splits["train"]),
        },
        versions=versions() | ({"weights": start.source} if start.source else {}),
    )


def trained_facts(
    config: TrainConfig, device: str, trainer: Trainer | HeadFit, history: Sequence[EpochRecord]
) -> dict[str, Any]:
    """Return the hardware and throughput of a run.

    Returns:
        ``device``, ``devices`` (number that shared each batch), ``backend``, ``versions``,
        ``kernels``, ``precision``, ``feed``, ``xla``, ``peak_memory`` in bytes and
        ``images_per_second`` (median of the epochs).
    """
    found = versions()
    return {
        "device": device,
        "devices": total_devices(config.devices),
        "backend": found.pop("backend"),
        "versions": found,
        "kernels": kernels(),
        "precision": config.precision,
        "feed": "resident" if trainer.resident else "streamed",
        "xla": trainer.xla,
        "peak_memory": peak_memory(),
        "images_per_second": round(median(row.images_per_second for row in history), 1),
    }
