"""What a model's card says, in words for a report.

Knows: the card's fields. Does not know where the card came from.
"""

from __future__ import annotations

from kerascnn.card import ModelCard


def model_facts(card: ModelCard) -> dict[str, str]:
    """Describe the model.

    Args:
        card: Of the model.

    Returns:
        Values in words by name.
    """
    return {
        "network": card.network,
        "input": f"{card.image_size} × {card.image_size} pixels, {card.resize}",
        "precision": card.precision,
        "weights (SHA-256)": card.weights_sha256[:16],
    }


def calibration_facts(card: ModelCard) -> dict[str, str]:
    """Describe what calibration on the validation pictures did.

    Args:
        card: Of the model.

    Returns:
        Values in words by name; empty for a model that was never calibrated.
    """
    before = card.metrics.get("val_ece_uncalibrated")
    after = card.metrics.get("val_ece")
    if before is None or after is None:
        return {}
    return {
        "temperature": f"{card.temperature:.3f}",
        "validation error (ECE) before": f"{before:.1%}",
        "validation error (ECE) after": f"{after:.1%}",
    }
