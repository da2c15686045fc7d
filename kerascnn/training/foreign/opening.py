"""A Keras model made elsewhere, as this package sees its own: a core to logits, and a card.

Knows: the order of things. Does not know how files are read (loading), nor what the end of a
network means (logits).
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from kerascnn import images
from kerascnn.card import ModelCard
from kerascnn.dataset import load_dataset
from kerascnn.inference.model_file.foreign import Foreign
from kerascnn.training.foreign.loading import load_foreign
from kerascnn.training.foreign.logits import core_of, meaning_of
from kerascnn.training.networks.from_pixels import from_pixels, predict_logits

_PICTURES = 32
"""Answers to so many tell probabilities from logits, where the last layer does not."""


def open_foreign(path: str | Path, foreign: Foreign) -> tuple[keras.Model, ModelCard]:
    """Load a ``.keras`` or ``.h5`` classifier that was made elsewhere.

    Args:
        path: Of the model.
        foreign: Class names, image size, normalisation and resize rule.

    Returns:
        A model from normalised float32 pixels to logits, and the card it lacks.

    Raises:
        ModelFileError: A model that holds code, cannot be loaded, or is no classifier of
            pictures.
        ConfigError: Something about the model is missing or contradicts it.
    """
    path = Path(path)
    loaded = load_foreign(path, foreign)
    card = foreign.card(path.stem, loaded.model.name, loaded.shape, loaded.channels)
    pixels = keras.Input((*loaded.shape, loaded.channels))
    whole = keras.Model(pixels, loaded.on_pictures(pixels))
    clothes = load_dataset("fashion-mini").splits["test"].pictures
    some = np.stack(
        [
            images.size_picture(clothes[index], loaded.shape, images.Sizing())
            for index in range(_PICTURES)
        ]
    )
    values = predict_logits(from_pixels(whole, card.normalization), some)
    values = values.reshape(len(values), -1)
    meaning = meaning_of(loaded, values, len(card.classes), str(path), foreign.outputs)
    return core_of(loaded, meaning, len(card.classes)), card
