"""Notices about a foreign model, and the units of its user's normalization.

Knows: wording and pixel units. Does not know graphs.
"""

from __future__ import annotations

from collections.abc import Sequence

from kerascnn.card import ModelCard, Normalization
from kerascnn.errors import ConfigError
from kerascnn.images import Resizing
from kerascnn.inference.model_file.foreign import Normalize
from kerascnn.language import Sentence, sentence


def sizing_words(card: ModelCard) -> Sentence:
    """Describe how a model's pictures are resized, without a full stop."""
    if isinstance(card.resize_rule, Resizing):
        return card.resize_rule.words(card.shape)
    size = f"{card.shape[0]} x {card.shape[1]}"
    how = {
        "squash": sentence("squashed to {size}", size=size),
        "crop": sentence("center-cropped to {size} (0.875 of the shorter side)", size=size),
        "pad": sentence("padded to {size} with {color}, none enlarged", size=size, color="black"),
    }[card.resize]
    return sentence("{how}, {filter} with antialias (Pillow)", how=how, filter="bilinear")


def sizing_notice(card: ModelCard) -> Sentence:
    """Describe how pictures are resized for a foreign model, and warn that it must fit."""
    return sentence(
        "{name}: pictures are {sizing}. If the model was trained with another method, "
        "predictions are worse, without any error: see `like`, `resize` and `filter`; kerascnn "
        "evaluate --try-resizing compares the methods.",
        name=card.name,
        sizing=sizing_words(card),
    )


def own_normalization(
    mean: Sequence[float] | None, std: Sequence[float] | None, normalize: Normalize | None
) -> Normalization:
    """Create a normalization from the user's mean and standard deviation.

    Args:
        mean: One number, or three in the order RGB; None: 0.
        std: Likewise; None: 1.
        normalize: Unit of the numbers. ``unit``: pixels from 0 to 1, as in torchvision's
            ``Normalize``; ``none``: 0 to 255; None: 0 to 1 if no number is above 1.

    Raises:
        ConfigError: Wrong count, a standard deviation that is not above 0, or another
            ``normalize``.

    Examples:
        >>> own_normalization([0.5], [0.5], None).mean
        (127.5, 127.5, 127.5)
    """
    if normalize not in (None, "none", "unit"):
        raise ConfigError(
            f"`mean` and `std` replace `normalize` {normalize}: leave out one or the other. Only "
            "`normalize` unit (pixels from 0 to 1) or none (0 to 255) can be combined with them."
        )
    means, stds = _three("mean", mean or [0.0]), _three("std", std or [1.0])
    if min(stds) <= 0:
        raise ConfigError(f"`std` {stds}; expected numbers above 0.")
    small = max(*means, *stds) <= 1
    unit = 255.0 if normalize == "unit" or (normalize is None and small) else 1.0
    red, green, blue = (unit * value for value in means)
    return Normalization((red, green, blue), (unit * stds[0], unit * stds[1], unit * stds[2]))


def _three(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    if len(values) != 3:
        raise ConfigError(f"`{name}` has {len(values)} numbers; expected one, or three: R,G,B.")
    return values[0], values[1], values[2]
