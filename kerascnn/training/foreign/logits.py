"""Conversion of a classifier's outputs to logits.

Knows: softmax, sigmoid, and the meaning of a single output for two classes. Does not know: files,
ONNX, how layers are traced back (:mod:`kerascnn.training.foreign.output_origin`).
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from kerascnn.errors import ModelFileError
from kerascnn.inference.model_file.foreign import Outputs
from kerascnn.inference.model_file.output_meaning import decide
from kerascnn.inference.model_file.signature import LOGARITHMS, Meaning
from kerascnn.training.foreign.loading import LoadedModel
from kerascnn.training.foreign.output_origin import activation_meaning, find_origin, last_layer


class ToLogits(layers.Layer):  # type: ignore[misc] # Keras has no types
    """Converts a model's outputs, whose final activation may be cut, to one logit per class."""

    def __init__(self, meaning: Meaning, classes: int, cut: bool) -> None:
        super().__init__(name="to_logits", trainable=False)
        self._meaning, self._classes, self._cut = meaning, classes, cut

    def call(self, values: Any) -> Any:
        """Convert ``[batch, numbers]``, possibly with more axes of length 1."""
        width = math.prod(values.shape[1:])
        values = ops.reshape(ops.cast(values, "float32"), (-1, width))
        if self._meaning in LOGARITHMS:
            return values * LOGARITHMS[self._meaning]
        if self._meaning == "log_odds":
            return ops.log_sigmoid(values)
        if width == 1 and self._classes == 2:
            if self._meaning != "logits" and not self._cut:
                values = _log(values) - _log(1 - values)
            return ops.concatenate([ops.zeros_like(values), values], axis=1)
        if self._cut:
            # The softmax of these logarithms is each sigmoid divided by the sum of all.
            return ops.log_sigmoid(values) if self._meaning == "sigmoids" else values
        return values if self._meaning == "logits" else _log(values)


def _log(values: Any) -> Any:
    return ops.log(ops.maximum(values, np.finfo(np.float32).tiny))


def meaning_of(
    loaded: LoadedModel,
    values: npt.NDArray[np.float32],
    classes: int,
    path: str,
    said: Outputs | None = None,
) -> Meaning:
    """Determine the meaning of a model's outputs, from its last layers and their values.

    Args:
        values: Its outputs for some pictures, float32 ``[pictures, numbers]``.
        said: Meaning that the user gives.

    Raises:
        ModelFileError: The number of outputs does not match the names.
        ConfigError: Layers and values contradict each other, and the user gives no meaning.
    """
    width = values.shape[1]
    if width != classes and (width, classes) != (1, 2):
        raise ModelFileError(
            f"{path}: outputs {width:,} numbers per picture, but `labels` has {classes:,} names. "
            "Give the labels of this model, one per line, in the order of its outputs."
        )
    if not np.isfinite(values).all():
        raise ModelFileError(f"{path}: outputs numbers that are not finite. Is it trained?")
    meaning = decide(find_origin(loaded.model), values, path, said)
    if meaning == "probabilities" and activation_meaning(last_layer(loaded.model)) != meaning:
        # They stay in the graph; the softmax of their logarithms makes them sum to 1 exactly.
        return "sigmoids"
    return meaning


def core_of(loaded: LoadedModel, meaning: Meaning, classes: int) -> keras.Model:
    """Make the network to export: from normalized pixels to logits.

    A final softmax or sigmoid is removed if it is the activation of the last layer: this changes
    ``loaded``. Any other softmax stays, and its logarithm is taken.

    Returns:
        Model from float32 ``[batch, size, size, channels]`` to float32 ``[batch, classes]``.
    """
    last = last_layer(loaded.model)
    cut = activation_meaning(last) == meaning
    if cut:
        last.activation = keras.activations.linear
    pixels = keras.Input((*loaded.shape, loaded.channels), name="pixels")
    logits = ToLogits(meaning, classes, cut)(loaded.on_pictures(pixels))
    return keras.Model(pixels, logits, name=loaded.model.name)
