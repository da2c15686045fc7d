"""The header of a training run: its plan, in a few lines.

Knows: the wording. Does not know: where the facts come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerascnn.language import count, tr

if TYPE_CHECKING:
    from kerascnn.training.callbacks import Plan

_SPLITS = {"train": "training", "val": "validation"}
_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}
_EXTEND = "as many epochs again if the training accuracy is below 97 % by then"
_WEIGHTS = {"none": "random weights", "imagenet": "ImageNet weights"}


def header(plan: Plan) -> list[tuple[str, str]]:
    """Describe a plan in words."""
    whole = plan.trainable == plan.parameters
    network = tr(
        "{network}, {parameters}, {trainable} trainable; from {weights}",
        network=plan.network,
        parameters=count(plan.parameters, "parameter"),
        trainable=tr("all") if whole else f"{plan.trainable:,}",
        weights=tr(_WEIGHTS[plan.weights]) if plan.weights in _WEIGHTS else plan.weights,
    )
    device = f"{plan.device}, {_BACKENDS.get(plan.backend, plan.backend)}, {plan.precision}"
    return [
        (tr("data"), _data(plan)),
        (tr("pictures"), _pictures(plan)),
        (tr("network"), network),
        (tr("device"), device),
        (tr("steps"), _steps(plan)),
        *([(tr("extend"), tr(_EXTEND))] if plan.extend else []),
        (tr("augment"), ", ".join(plan.changes) or tr("none")),
        *([(tr("refit"), _refit(plan))] if plan.refit else []),
        (tr("run"), str(plan.folder)),
    ]


def _data(plan: Plan) -> str:
    counts = tr(" and ").join(
        tr("{count} {split}", count=f"{count:,}", split=tr(_SPLITS.get(name, name)))
        for name, count in plan.pictures.items()
    )
    least, most = min(plan.classes), max(plan.classes)
    each = tr("{least} to {most}", least=f"{least:,}", most=f"{most:,}")
    return tr(
        "{data}: {counts} pictures, {classes} ({each} per class for training)",
        data=plan.data,
        counts=counts,
        classes=count(len(plan.classes), "class"),
        each=f"{most:,}" if least == most else each,
    )


def _refit(plan: Plan) -> str:
    pictures = count(plan.pictures["train"] + plan.pictures["val"], "picture")
    return tr("then a second network, on all {pictures}, for export", pictures=pictures)


def _pictures(plan: Plan) -> str:
    size = f"{plan.image_size} x {plan.image_size}"
    if plan.longest_side == plan.image_size:
        return tr("{size} pixels", size=size)
    return tr(
        "up to {side} pixels wide or high, resized ({resize}) to {size}",
        side=f"{plan.longest_side:,}",
        resize=plan.resize,
        size=size,
    )


def _steps(plan: Plan) -> str:
    parts = [_phase(epochs, rate, plan.steps) for epochs, rate in plan.phases]
    phases = tr(", then ").join(parts)
    if not any(rate for _, rate in plan.phases):
        return phases
    return tr(
        "{phases}; {batch} per step; {optimizer}",
        phases=phases,
        batch=count(plan.batch_size, "picture"),
        optimizer=plan.optimizer,
    )


def _phase(epochs: int, rate: float, steps: int) -> str:
    if not rate:
        return tr("the head fitted by logistic regression")
    return tr(
        "{epochs} of {steps}, peak learning rate {rate}",
        epochs=count(epochs, "epoch"),
        steps=f"{steps:,}",
        rate=f"{rate:.3g}",
    )
