"""Random changes to training pictures, inside the compiled step.

Knows: which presets exist and the Keras layers they are made of. Does not know when they run:
Keras switches them off outside training.
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
        preset: ``none`` or ``light`` (horizontal flip and a shift by up to a 32nd of the
            side, filled with zeros). A flip is wrong for digits and letters.
        seed: Of the random numbers.

    Returns:
        Layers from float32 ``[batch, size, size, 3]`` in 0..255 to the same.
    """
    if preset == "none":
        return []
    return [
        layers.RandomFlip("horizontal", seed=seed, name="flip"),
        layers.RandomTranslation(
            SHIFT,
            SHIFT,
            fill_mode="constant",
            interpolation="nearest",
            fill_value=0.0,
            seed=seed + 1,
            name="shift",
        ),
    ]
