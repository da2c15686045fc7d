"""Random changes to training pictures, inside the compiled step.

Knows: which presets exist and the Keras layers they are made of. Does not know when they run:
Keras switches them off outside training.
"""

from __future__ import annotations

from keras import layers

from kerascnn.training.config import Augment

SHIFT = 1 / 16
"""Of the side, in each direction: 2 pixels at 32."""


def augmentation_layers(preset: Augment, seed: int) -> list[layers.Layer]:
    """Make the layers of a preset.

    Args:
        preset: ``none`` or ``light`` (horizontal flip and a shift by up to a sixteenth of the
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
            SHIFT, SHIFT, fill_mode="constant", fill_value=0.0, seed=seed + 1, name="shift"
        ),
    ]
