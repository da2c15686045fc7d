"""Layers and functions of Keras 2 that Keras 3 has renamed or computes differently.

Knows: Keras 2's formulas. Does not know: files (:mod:`kerascnn.training.foreign.keras2`).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerascnn")
class SyncBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc] # no types
    """Batch normalization under its old name, under which a ``.keras`` file stores its weights."""


def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Return 0.2 x + 0.5, clipped to 0..1; Keras 3 divides by 6.

    Examples:
        >>> round(float(hard_sigmoid_of_keras_2(1.0)), 3)
        0.7
    """
    return ops.clip(ops.add(ops.multiply(x, 0.2), 0.5), 0.0, 1.0)


keras.saving.register_keras_serializable("kerascnn")(hard_sigmoid_of_keras_2)


def restore_activations(value: Any) -> Any:
    """Put Keras 2's functions into an architecture where Keras 3 computes them differently."""
    if isinstance(value, list):
        return [restore_activations(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _HARD_SIGMOID if key in _ACTIVATIONS and _function(item) == "hard_sigmoid"
        else restore_activations(item)
        for key, item in value.items()
    }  # fmt: skip


_ACTIVATIONS = ("activation", "recurrent_activation")
"""Arguments of layers that name an activation."""

_HARD_SIGMOID = {
    "module": "builtins", "class_name": "function", "config": "hard_sigmoid_of_keras_2",
    "registered_name": "kerascnn>hard_sigmoid_of_keras_2",
}  # fmt: skip
"""Keras 3's notation of a registered function."""


def _function(value: Any) -> Any:
    return value.get("config") if isinstance(value, dict) else value
