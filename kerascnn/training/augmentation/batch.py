"""Batch augmentation before the network's own layers: random crops, then mixing.

Knows: what is drawn on the host for each batch, and in which order it is applied inside the
compiled step. Does not know: how anything is drawn, the presets, which are Keras layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kerascnn.training.augmentation.crop_boxes import Boxes, draw_boxes
from kerascnn.training.augmentation.mixup import BatchMixing, Recipes, mix, mixing_of
from kerascnn.training.augmentation.random_resized_crop import crop
from kerascnn.training.config import TrainConfig
from kerascnn.training.phases import total_epochs


class Draws(NamedTuple):
    """Random draws for some batches.

    Attributes:
        boxes: Crop box of each picture, float32 ``[batches, pictures, 4]``; None: no crops.
        recipes: Mixing of each batch, float32 ``[batches, 6]``; None: no mixing.
    """

    boxes: Boxes | None = None
    recipes: Recipes | None = None

    def each(self, do: Callable[[Any], Any]) -> Draws:
        """Apply a function to each part."""
        return Draws(*(None if part is None else do(part) for part in self))

    def at(self, step: Any) -> Draws:
        """Return the draws of one batch, without the first axis."""
        return self.each(lambda part: part[step])

    def rows(self, start: int, count: int) -> Draws:
        """Return ``count`` batches from ``start`` on, padded at the end with repeated rows."""
        return self.each(lambda part: np.resize(part[start:], (count, *part.shape[1:])))


@dataclass(frozen=True)
class BatchAugmentation:
    """Batch augmentation of a run.

    Attributes:
        size: Size of the network's input, in pixels.
        least: Minimum share of a picture's area in a crop; 0: no crops.
        cropped: Number of epochs with crops; later ones show whole pictures.
        mixing: Mixing of batches; None: no mixing.
    """

    size: int
    least: float = 0.0
    cropped: int = 0
    mixing: BatchMixing | None = None

    def draw(self, batches: int, pictures: int, seed: int, epoch: int) -> Draws:
        """Draw everything for an epoch; epochs count from 1.

        Returns:
            Draws for :func:`changed`, one batch after another.
        """
        least = self.least if epoch <= self.cropped else float(self.least > 0)
        boxes = draw_boxes(batches, pictures, least, seed, epoch) if least else None
        recipes = self.mixing.draw(batches, self.size, seed, epoch) if self.mixing else None
        return Draws(boxes, recipes)


def batch_augmentation_of(config: TrainConfig, size: int) -> BatchAugmentation | None:
    """Return the crops and mixing of a run; None: neither."""
    mixing = mixing_of(config.mixup, config.cutmix)
    if not (mixing or config.random_crop):
        return None
    epochs = total_epochs(config)
    cropped = epochs - int(config.uncropped * epochs)
    return BatchAugmentation(size, config.random_crop, cropped, mixing)


def changed(pictures: Any, draws: Draws, size: int) -> tuple[Any, Any | None]:
    """Crop and mix the pictures of a batch, inside the compiled step.

    Args:
        pictures: uint8 ``[batch, side, side, 3]``.
        draws: Draws of this batch.
        size: Size of the network's input, in pixels.

    Returns:
        The pictures, uint8 ``[batch, size, size, 3]``, and the weight of each one's own label;
        None: they are not mixed.
    """
    if draws.boxes is not None:
        pictures = crop(pictures, draws.boxes, size)
    if draws.recipes is None:
        return pictures, None
    return mix(pictures, draws.recipes), draws.recipes[0]
