"""Random changes to training pictures, inside the compiled step.

Knows: which presets exist and the layers they are made of: Keras' own wherever it has them. Does
not know when they run: Keras switches them off outside training.
"""

from __future__ import annotations

from keras import layers

from kerascnn.training.config import Augment

SHIFT = 1 / 32
"""Of the side, in each direction: 1 pixel at 32. In whole pixels: between them, a picture would be
blurred, and the network would learn from pictures unlike those it is asked about."""


def augmentation_layers(preset: Augment, seed: int) -> list[layers.Layer]:
    """Make the layers of a preset.

    Args:
        preset: ``none``; ``shift``: by up to a 32nd of the side, filled with zeros; ``light``: that
            and a horizontal flip, which is wrong for digits and letters.
        seed: Of the random numbers.

    Returns:
        Layers from float32 ``[batch, size, size, 3]`` in 0..255 to the same.
    """
    if preset in ("none", "auto"):  # auto: not settled, as in a run that has not begun
        return []
    shift = _shift(SHIFT, seed + 1)
    if preset == "shift":
        return [shift]
    return [layers.RandomFlip("horizontal", seed=seed, name="flip"), shift]


def _shift(share: float, seed: int) -> layers.Layer:
    return layers.RandomTranslation(
        share,
        share,
        fill_mode="constant",
        interpolation="nearest",
        fill_value=0.0,
        seed=seed,
        name="shift",
    )
