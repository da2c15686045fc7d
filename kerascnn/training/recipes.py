"""Recipes: values of options that were found together, on validation pictures.

Knows: which options a recipe sets. Does not know: Keras, how an option is applied; a recipe is no
more than its values, which are stored in ``config.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from kerascnn.errors import ConfigError
from kerascnn.training.config import TrainConfig
from kerascnn.training.phases import BASELINE

RecipeName = Literal["best"]
RECIPES: tuple[RecipeName, ...] = get_args(RecipeName)

# Origin of the values, and what else was tried: docs/experiments.md, 2026-11-27.
_BEST: Mapping[str, Any] = {
    "model": BASELINE,
    "epochs": 60,
    "batch_size": 64,
    "optimizer": "sgd",
    "augment": "light",
    "label_smoothing": 0.1,
    "ema": 0.9995,
}


def recipe_config(recipe: RecipeName, **options: Any) -> TrainConfig:
    """Make the configuration of a recipe.

    Args:
        recipe: ``best``: slower and more accurate than the defaults; ``docs/training.md`` has its
            time and accuracy.
        options: Fields of :class:`TrainConfig`, which override the recipe's.

    Returns:
        The configuration, with every value set explicitly.

    Raises:
        ConfigError: There is no such recipe, or an option does not fit.
    """
    return TrainConfig(**{**recipe_values(recipe), **options})


def recipe_values(recipe: str) -> dict[str, Any]:
    """Return the options that a recipe sets.

    Raises:
        ConfigError: There is no such recipe.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"recipe is {recipe!r}; expected one of {', '.join(RECIPES)}.")
    return dict(_BEST)
