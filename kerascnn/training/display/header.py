"""The header of a training run: what it is going to do, in a few lines.

Knows: the words. Does not know where the facts come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerascnn.training.callbacks import Plan

_SPLITS = {"train": "training", "val": "validation"}
_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}
_WEIGHTS = {"none": "random weights", "imagenet": "ImageNet weights"}


def header(plan: Plan) -> list[tuple[str, str]]:
    """Describe a plan in words.

    Returns:
        Names and values, one per line.
    """
    trainable = "all" if plan.trainable == plan.parameters else f"{plan.trainable:,}"
    return [
        ("data", _data(plan)),
        ("pictures", _pictures(plan)),
        (
            "network",
            f"{plan.network}, {plan.parameters:,} parameters, {trainable} trainable; from "
            f"{_WEIGHTS.get(plan.weights, plan.weights)}",
        ),
        (
            "device",
            f"{plan.device}, {_BACKENDS.get(plan.backend, plan.backend)}, {plan.precision}",
        ),
        ("steps", _steps(plan)),
        ("augment", ", ".join(plan.changes) or "none"),
        ("run", str(plan.folder)),
    ]


def _data(plan: Plan) -> str:
    counts = " and ".join(
        f"{count:,} {_SPLITS.get(name, name)}" for name, count in plan.pictures.items()
    )
    least, most = min(plan.classes), max(plan.classes)
    each = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    return f"{plan.data}: {counts} pictures, {len(plan.classes)} classes ({each} for training each)"


def _pictures(plan: Plan) -> str:
    size = f"{plan.image_size} x {plan.image_size}"
    if plan.longest_side == plan.image_size:
        return f"{size} pixels"
    return f"up to {plan.longest_side:,} pixels wide or high, {plan.resize} to {size}"


def _steps(plan: Plan) -> str:
    parts = [
        f"{epochs:,} {'epoch' if epochs == 1 else 'epochs'} of {plan.steps:,}, rate to {rate:.3g}"
        for epochs, rate in plan.phases
    ]
    return f"{', then '.join(parts)}; {plan.batch_size:,} pictures per step; {plan.optimizer}"
