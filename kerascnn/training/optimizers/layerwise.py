"""Discriminative learning rates: the deeper a block, the slower it learns.

Knows: an optimiser with a factor for each variable. Does not know what the factors mean to
anyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerascnn.training.networks.blocks import blocks, flat
from kerascnn.training.optimizers.adamw import AdamW
from kerascnn.training.optimizers.decay import SGD


class Layerwise(keras.optimizers.Optimizer):  # type: ignore[misc] # Keras has no types
    """An optimiser whose rate is multiplied for each variable (Howard and Ruder 2018, ULMFiT).

    https://arxiv.org/abs/1801.06146; with factors that fall geometrically from the head down.
    Weight decay is multiplied too, as it is where each layer is a parameter group.

    Args:
        factors: By ``id`` of the variable; 1 for those not in it.
        **options: Of the optimiser.
    """

    def __init__(self, factors: Mapping[int, float], **options: Any) -> None:
        super().__init__(**options)
        self._factors = dict(factors)
        self._by_index: list[float] = []

    def build(self, variables: Any) -> None:
        """Take note of the variables, which backends hand over as their own later."""
        super().build(variables)
        self._by_index = [self._factors.get(id(variable), 1.0) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable at its own rate."""
        super().update_step(gradient, variable, learning_rate * self._factor(variable))

    def _factor(self, variable: Any) -> float:
        index: int = self._get_variable_index(variable)
        return self._by_index[index]


class LayerwiseAdamW(Layerwise, AdamW):
    """AdamW with a factor for each variable."""


class LayerwiseSGD(Layerwise, SGD):
    """SGD with a factor for each variable."""


def block_factors(model: keras.Model, decay: float) -> dict[int, float]:
    """Give each variable of a network its factor.

    Args:
        model: From normalised pixels to logits.
        decay: Of one block to the next, from the head (factor 1) down; above 0, at most 1.

    Returns:
        By ``id`` of the variable.
    """
    depth = {
        name: number
        for number, block in enumerate(reversed(blocks(model)))
        for name in block.layers
    }
    return {
        id(weight): decay ** depth[layer.name] for layer in flat(model) for weight in layer.weights
    }
