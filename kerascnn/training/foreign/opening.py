"""Opening of a Keras model made elsewhere like one of ours: a core to logits, and a card.

Knows: the order of the steps. Does not know: how files are read (:mod:`.loading`), what outputs
mean (:mod:`.logits`).
"""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from kerascnn import images
from kerascnn.card import ModelCard, Normalization
from kerascnn.dataset import load_dataset
from kerascnn.errors import ModelFileError
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.training.foreign.loading import LoadedModel, load_foreign
from kerascnn.training.foreign.logits import core_of, meaning_of
from kerascnn.training.networks.from_pixels import from_pixels, predict_logits

_CONTROL = re.compile(r"\x1b\[[0-9;]*m")
"""Escape sequences, with which Keras prints parts of its messages in bold."""

_PICTURES = 32
"""Number of pictures whose outputs distinguish probabilities from logits if the last layer does
not."""


def open_foreign(path: str | Path, foreign: ForeignModel) -> tuple[keras.Model, ModelCard]:
    """Load a ``.keras`` or ``.h5`` classifier that was made elsewhere.

    Returns:
        A model from normalized float32 pixels to logits, and a card for it.

    Raises:
        ModelFileError: It contains code, cannot be loaded, or is no classifier of pictures.
        ConfigError: Information about the model is missing or contradicts it.
    """
    path = Path(path)
    loaded = load_foreign(path, foreign)
    card = foreign.card(path.stem, loaded.model.name, loaded.shape, loaded.channels)
    clothes = load_dataset("fashion-mini").splits["test"].pictures
    some = np.stack(
        [
            images.size_picture(clothes[index], loaded.shape, images.Resizing())
            for index in range(_PICTURES)
        ]
    )
    values = answers(loaded, some, card.normalization, path)
    meaning = meaning_of(loaded, values, len(card.classes), str(path), foreign.outputs)
    return core_of(loaded, meaning, len(card.classes)), card


def answers(
    loaded: LoadedModel, pictures: images.UInt8Array, normalization: Normalization, path: Path
) -> npt.NDArray[np.float32]:
    """Return the original outputs of a model from elsewhere.

    Returns:
        float32 ``[pictures, numbers]``, whatever they mean.

    Raises:
        ModelFileError: It cannot be run.
    """
    pixels = keras.Input((*loaded.shape, loaded.channels))
    try:
        whole = keras.Model(pixels, loaded.on_pictures(pixels))
        values = predict_logits(from_pixels(whole, normalization), pictures)
    except Exception as error:
        # Layers raise errors of any class if a model was saved that never ran.
        reason = _CONTROL.sub("", " ".join(str(error).split()))[:300]
        raise ModelFileError(
            f"{path}: Keras {keras.__version__} loads it, but cannot run it on a picture of "
            f"{loaded.shape[0]} x {loaded.shape[1]} pixels ({type(error).__name__}: {reason}). "
            "Check that the model predicts where it was made, and save it again."
        ) from error
    return values.reshape(len(values), -1)
