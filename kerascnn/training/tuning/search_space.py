"""The search space: network, learning rate, depth and augmentation.

Knows: which values can be combined. Does not know: Optuna, except for a trial's methods; Keras.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kerascnn.training.auto.model import initial_weights, network_of
from kerascnn.training.auto.positions import LEAST_AREA
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import AUTO, TrainConfig
from kerascnn.training.data.splits import run_dataset
from kerascnn.training.networks import find_network
from kerascnn.training.networks.facts import load_facts

if TYPE_CHECKING:
    from optuna import Trial

SMALL = ("cnn", "cnn4", "resnet20")
"""Networks tried by default with random weights."""

PRETRAINED = ("mobilenet_v3_large", "efficientnet_b0", "resnet50")
"""Networks tried by default with ImageNet weights."""

DEPTHS = ("all", "half", "head")
"""Parts of a network with weights that are trained, from the head down."""

CROP = "crop"
"""``light``, and the random crops that ``auto`` chooses for photographs."""

AUGMENTATIONS = ("none", "shift", "light", "strong", CROP)
"""Augmentations that are tried; not ``strong-shift``, which is ``strong`` without flips."""

RATES = (0.1, 3.0)
"""Bounds of the learning rate, as factors on the network's default."""


def search_start(
    config: TrainConfig, named: tuple[str, ...], progress: Callback
) -> tuple[TrainConfig, tuple[str, ...]]:
    """Return the common configuration of all trials, and the networks to try, which all exist.

    Initial weights are in place of ``auto``, as ``train`` would choose them for the data.

    Args:
        named: Networks that the user names; none: those that suit the initial weights.

    Raises:
        ConfigError: A network does not exist.
        DataError: There is no usable data.
    """
    networks = tuple(find_network(name).name for name in named)
    weights = config.weights
    if weights == AUTO:
        found = not networks and initial_weights(config, run_dataset(config), progress)
        weights = found.name if found else "none"
    if weights not in ("none", "imagenet") and not networks:
        networks = (network_of(weights),)
    usual = PRETRAINED if weights == "imagenet" else SMALL
    return replace(config, weights=weights), networks or usual


def first_trial(config: TrainConfig, named: tuple[str, ...]) -> TrainConfig:
    """Return the first trial: what ``train`` chooses itself, with the first named network."""
    return replace(config, model=find_network(named[0]).name) if named else config


def suggested(trial: Trial, config: TrainConfig, networks: tuple[str, ...]) -> TrainConfig:
    """Return the configuration of a trial, with the values that Optuna suggests."""
    model = str(trial.suggest_categorical("network", networks))
    factor = trial.suggest_float("rate", *RATES, log=True)
    augment = trial.suggest_categorical("augmentation", AUGMENTATIONS)
    depth = "all" if config.weights == "none" else trial.suggest_categorical("depth", DEPTHS)
    return replace(
        config,
        model=model,
        learning_rate=float(f"{factor * find_network(model).learning_rate:.3g}"),
        augment="light" if augment == CROP else augment,
        random_crop=LEAST_AREA if augment == CROP else config.random_crop,
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
