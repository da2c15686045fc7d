"""Facts of a model's card, in words for a report.

Knows: the card's fields. Does not know where the card comes from.
"""

from __future__ import annotations

from kerascnn.card import ModelCard
from kerascnn.language import tr
from kerascnn.report.content import Learning

_COUNTED = (
    "steps", "train_right", "train_images", "val_right", "val_images", "val_largest",
)  # fmt: skip
"""Metrics that :func:`learning_of` reads; cards of earlier versions do not have them."""


_NEWER = (
    "val_leaked", "train_largest", "train_fewest", "train_most", "augmented", "pretrained",
    "shrunk",
)  # fmt: skip
"""Further metrics that it reads; cards of some earlier versions do not have them."""


def model_facts(card: ModelCard) -> dict[str, str]:
    """Describe the model."""
    return {
        "network": card.network,
        "input": tr(
            "{height} × {width} pixels, {resize}",
            height=card.shape[0],
            width=card.shape[1],
            resize=card.resize,
        ),
        "precision": card.precision,
        "weights (SHA-256)": card.weights_sha256[:16],
    }


def calibration_facts(card: ModelCard) -> dict[str, str]:
    """Describe the effect of calibration on validation pictures; empty if it was not measured."""
    before = card.metrics.get("val_ece_uncalibrated")
    after = card.metrics.get("val_ece")
    if before is None or after is None:
        return {}
    if card.temperature == 1:
        return {"temperature": tr("1, not fitted"), "validation error (ECE)": f"{before:.1%}"}
    return {
        "temperature": f"{card.temperature:.3f}",
        "validation error (ECE) before": f"{before:.1%}",
        "validation error (ECE) after, on the pictures that it was fitted on": f"{after:.1%}",
    }


def learning_of(card: ModelCard) -> Learning | None:
    """Read a network's training results; None for a card of an earlier version or of elsewhere."""
    pictures = card.data.get("train")
    if not {*_COUNTED} <= {*card.metrics} or not isinstance(pictures, int):
        return None
    counts = {name: int(card.metrics[name]) for name in _COUNTED}
    newer = {name: int(card.metrics.get(name, 0)) for name in _NEWER}
    return Learning(pictures=pictures, classes=len(card.classes), **counts, **newer)
