"""What is searched: network, learning rate, depth and augmentation.

Knows: which values go together. Does not know Optuna, but for what a trial's suggestions are
called, nor Keras.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from kerascnn.training.config import AUTO, TrainConfig
from kerascnn.training.networks import find_network
from kerascnn.training.networks.facts import load_facts

SMALL = ("cnn", "cnn4", "resnet20")
"""Networks that are tried where nothing is said, from random weights."""

PRETRAINED = ("mobilenet_v3_large", "efficientnet_b0", "resnet50")
"""Likewise with ImageNet weights."""

DEPTHS = ("all", "half", "head")
"""Of a network with weights: how much of it is trained, from the head down."""

AUGMENTATIONS = ("none", "shift", "light", "strong")
"""Presets that are tried; ``strong-shift`` is left out, being ``strong`` without flips."""

RATES = (0.1, 3.0)
"""Limits of the learning rate, as factors on the network's own."""


class Trial(Protocol):
    """A trial, as far as it suggests values."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Suggest one of several."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Suggest a number."""


def networks_to_try(config: TrainConfig, named: tuple[str, ...]) -> tuple[str, ...]:
    """Return the networks of a search, which all exist.

    Raises:
        ConfigError: One of those named does not exist.
    """
    usual = PRETRAINED if config.weights == "imagenet" else SMALL
    return tuple(find_network(name).name for name in named or usual)


def suggested(trial: Trial, config: TrainConfig, networks: tuple[str, ...]) -> TrainConfig:
    """Return the configuration of one trial."""
    weights = "none" if config.weights == AUTO else config.weights
    model = str(trial.suggest_categorical("network", networks))
    factor = trial.suggest_float("rate", *RATES, log=True)
    augment = trial.suggest_categorical("augmentation", AUGMENTATIONS)
    depth = "all" if weights == "none" else trial.suggest_categorical("depth", DEPTHS)
    return replace(
        config,
        model=model,
        weights=weights,
        learning_rate=float(f"{factor * find_network(model).learning_rate:.3g}"),
        augment=augment,
        trainable=_scope(model, depth),
    )


def _scope(model: str, depth: str) -> str:
    """Turn a depth into a scope.

    Examples:
        >>> _scope("cnn", "half"), _scope("cnn", "head")
        ('from:hidden', 'head')
    """
    if depth != "half":
        return depth
    blocks = load_facts()[model]["blocks"]
    return f"from:{blocks[len(blocks) // 2]}"
