"""The augmentation presets, as layers inside the compiled step.

Knows: which presets exist and their layers: Keras' own, except for flips and shifts. Does not know:
when they run; Keras switches them off outside training.
"""

from __future__ import annotations

from keras import layers

from kerascnn.training.augmentation.flip_and_shift import FlipAndShift
from kerascnn.training.config import Augment

SHIFT = 1 / 32
"""Maximum shift in each direction, as a share of the side: 1 pixel at 32. In whole pixels:
interpolation would blur the training pictures, unlike those to be classified."""


FAR = 1 / 8
"""Maximum shift of the strong presets, in whole pixels too: 4 at 32, as is usual for pictures of
that size (He et al. 2016, https://arxiv.org/abs/1512.03385, section 4.2)."""

LIGHTING = 0.2
"""Maximum change of brightness, as a share of the pixel range; and of contrast, as a share of a
pixel's distance from the mean."""

ERASED = 0.25
"""Share of pictures that lose a rectangle (Zhong et al. 2020, https://arxiv.org/abs/1708.04896)."""


def augmentation_layers(preset: Augment, seed: int) -> list[layers.Layer]:
    """Make the layers of a preset.

    Args:
        preset: ``none``; ``shift``: by up to a 32nd of the side, filled with zeros; ``light``: that
            and a horizontal flip; ``strong-shift``: a shift by up to an eighth, brightness and
            contrast, and a rectangle of 2 to 20 % of the area filled with gray in every fourth
            picture; ``strong``: that and a flip. A flip is wrong for digits and letters.
        seed: Seed of the random numbers.

    Returns:
        Layers from float32 ``[batch, size, size, 3]`` in 0..255 to the same.
    """
    if preset in ("none", "auto"):  # auto: not resolved, as in a run that has not begun
        return []
    flip_seed = seed if preset in ("light", "strong") else None
    if preset in ("shift", "light"):
        return [FlipAndShift(SHIFT, seed + 1, flip_seed)]
    return [FlipAndShift(FAR, seed + 1, flip_seed), *_lighting(seed + 2), _erasing(seed + 4)]


def _lighting(seed: int) -> list[layers.Layer]:
    pixels = (0, 255)
    return [
        layers.RandomBrightness(LIGHTING, value_range=pixels, seed=seed, name="brightness"),
        layers.RandomContrast(LIGHTING, value_range=pixels, seed=seed + 1, name="contrast"),
    ]


def _erasing(seed: int) -> layers.Layer:
    return layers.RandomErasing(
        # Given one number, Keras draws the probability itself.
        factor=(ERASED, ERASED),
        scale=(0.02, 0.2),
        fill_value=127.5,
        value_range=(0, 255),
        seed=seed,
        name="erasing",
    )
