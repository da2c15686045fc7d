"""The choice of network and augmentation for ``--model auto`` and ``--augment auto``.

Knows: the rules, which docs/training.md states with their measurements. Does not know: how weights
are fetched, how a network is trained.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

from kerascnn.card import ModelCard
from kerascnn.dataset import Dataset
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.language import Sentence, sentence
from kerascnn.training.auto.flips import Verdict, judge_flips
from kerascnn.training.auto.hyperparameters import (
    FROM_SCRATCH,
    has_enough_steps,
    sees_pictures_often,
)
from kerascnn.training.auto.photographs import are_photographs, has_photographs
from kerascnn.training.auto.positions import LEAST_AREA
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import AUTO, Augment, TrainConfig
from kerascnn.training.data.feed import Feed
from kerascnn.training.networks import Network
from kerascnn.training.phases import BASELINE, head_phase
from kerascnn.training.pretrained import ensure
from kerascnn.training.weights.check import kind_of
from kerascnn.training.weights_location import on_this_machine

log = logging.getLogger(__name__)

SMALL = 64
"""Longest side in pixels up to which pictures are not photographs, and leave little detail to a
pretrained backbone, which halves its input five times."""

BACKBONE = "mobilenet_v3_large"
"""Network for photographs; docs/training.md compares it with others in accuracy, size and time."""

DETAIL = (32, 64)
"""Smallest and largest input side of :data:`FROM_SCRATCH`, in pixels; larger pictures are
downscaled."""

HALVED = 16
"""Divisor of that input side: the network halves it four times."""

UNCROPPED = 0.33
"""Share of the epochs at the end without crops, for long photographs: a crop of them lacks much,
perhaps what tells the classes apart. Others lose a point by it (docs/experiments.md)."""

LONG = 2.0
"""Ratio of longer to shorter side from which photographs count as long, wider than 16:9. Those
that were measured are 4:1 (gain) and 1:1 (loss)."""

FEW = 100
"""Number of training pictures below which :data:`MIXUP` raises accuracy; docs/experiments.md has
figures."""

MIXUP = 0.2
"""Alpha of mixup for few pictures that are not cropped (Zhang et al. 2018 use 0.1 to 0.4)."""

SIZES = (160, 224)
"""Smallest and largest input side of :data:`BACKBONE`, in pixels. Smaller pictures are enlarged,
since its filters expect more than a few pixels; the largest is the size of pretraining."""

STRIDE = 32
"""Divisor of that input side: the network halves it five times."""

DEEPER_PICTURES = 1500
"""Number of pictures, over all epochs, that pass forward and backward through the whole network
after the head has been trained: about a minute on two cores at 160 pixels."""

DEEPER_EPOCHS = (2, 10)
"""Minimum and maximum number of epochs of the whole network after the head has been trained."""


class InitialWeights(NamedTuple):
    """Initial weights of the network that ``auto`` chooses.

    Attributes:
        name: ``imagenet`` or ``none``.
        reason: Why.
        missing: The reason that there are no ImageNet weights, if they would suit the pictures.
    """

    name: str
    reason: Sentence
    missing: ModelFileError | None = None


def choose_network(config: TrainConfig, dataset: Dataset, progress: Callback) -> TrainConfig:
    """Replace ``model`` ``auto`` by a network and its initial weights.

    Returns:
        The same if a network is named.

    Raises:
        ConfigError: The weights are a file, and nothing says which network they are for.
        ModelFileError: ImageNet weights are requested and not available.
    """
    if config.model != AUTO:
        return config
    if config.weights not in (AUTO, "none", "imagenet"):
        network = network_of(config.weights)
        return replace(config, model=network, trainable=_undecided_scope(config))
    initial = initial_weights(config, dataset, progress)
    if initial.name == "imagenet":
        chosen = _pretrained(config, dataset.splits["train"].longest_side())
    else:
        chosen = from_scratch(config, dataset)
    if initial.missing:
        log.warning("%s Training %s from random weights instead.", initial.missing, chosen.model)
    progress.on_choice("model", chosen.model, initial.reason)
    return chosen


def initial_weights(config: TrainConfig, dataset: Dataset, progress: Callback) -> InitialWeights:
    """Decide whether the network that ``auto`` chooses starts from ImageNet weights; fetch them.

    Raises:
        ModelFileError: They are requested and not available.
    """
    longest = dataset.splits["train"].longest_side()
    if config.weights == "none":
        return InitialWeights("none", sentence("from random weights, as asked for"))
    if config.weights == AUTO and longest <= SMALL:
        reason = sentence("the pictures are small: {longest} pixels", longest=longest)
        return InitialWeights("none", reason)
    try:
        ensure(BACKBONE, lambda done, total: progress.on_download(BACKBONE, done, total))
    except ModelFileError as error:
        if config.weights == "imagenet":
            raise
        reason = sentence("there are no ImageNet weights on this machine")
        return InitialWeights("none", reason, error)
    reason = sentence("photographs, {longest} pixels; ImageNet weights", longest=f"{longest:,}")
    return InitialWeights("imagenet", reason)


def from_scratch(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """Choose a network to train from random weights.

    Returns:
        The configuration, with a network of four convolutions that sees the pictures' detail.
        Unless ``augment`` is set, color photographs are cropped at random, and other pictures mixed
        if they are few. For a tiny input, or fewer steps than a deeper network needs, the baseline
        CNN. Random weights cannot be frozen, so all blocks are trained.
    """
    trainable = "all" if config.trainable == AUTO else config.trainable
    chosen = replace(config, model=BASELINE, weights="none", trainable=trainable)
    train = dataset.splits["train"]
    size = config.image_size or _input_for(train.longest_side(), HALVED, DETAIL)
    if size < HALVED or not has_enough_steps(chosen, len(train)):
        return chosen
    chosen = replace(chosen, model=FROM_SCRATCH, image_size=size)
    if config.augment != AUTO or config.random_crop:
        return chosen
    wide = size >= SMALL and train.longest_side() > SMALL
    # This comes last, because pictures have to be decoded for it.
    if wide and has_photographs(train):
        whole = UNCROPPED if train.elongation() >= LONG else 0.0
        return replace(chosen, random_crop=LEAST_AREA, uncropped=config.uncropped or whole)
    mixed = config.mixup or config.cutmix or len(train) >= FEW
    return chosen if mixed else replace(chosen, mixup=MIXUP)


def _input_for(longest: int, multiple: int, bounds: tuple[int, int]) -> int:
    """Return the input side for a longest side: the next multiple, within bounds."""
    least, most = bounds
    return min(most, max(least, -(-longest // multiple) * multiple))


def _pretrained(config: TrainConfig, longest: int) -> TrainConfig:
    return replace(
        config,
        model=BACKBONE,
        weights="imagenet",
        image_size=config.image_size or _input_for(longest, STRIDE, SIZES),
        trainable=_undecided_scope(config),
    )


def _undecided_scope(config: TrainConfig) -> str:
    """Leave open which blocks are trained, until the pictures have passed through the network."""
    unsaid = config.trainable == "all" and not config.phase and not config.random_crop
    return AUTO if unsaid else config.trainable


def network_of(weights: str) -> str:
    """Return the network that a file of weights is for, which a card beside it names.

    Raises:
        ConfigError: There is no card.
    """
    path = on_this_machine(weights)
    kind_of(path)  # raises if it is no file of weights
    card = path.parent / "card.json"
    if not card.is_file():
        raise ConfigError(
            f"{path}: it is not known which network these weights are for. Set `model`; `kerascnn "
            "models` lists the networks."
        )
    return ModelCard.from_json(card.read_text(encoding="utf-8"), str(card)).network


def affordable_phases(pictures: int, classes: int, deeper: bool, rate: float) -> tuple[str, ...]:
    """Plan the phases of a backbone that ``--model auto`` chose: head, then the whole network."""
    head = head_phase(pictures, classes)
    if not deeper:
        return (head,)
    least, most = DEEPER_EPOCHS
    return head, f"all:{min(most, max(least, DEEPER_PICTURES // pictures))}:{rate:.3g}"


def choose_changes(
    config: TrainConfig, feed: Feed, progress: Callback, network: Network | None = None
) -> TrainConfig:
    """Replace ``augment`` ``auto`` by a preset that suits the pictures.

    ``light``, or ``strong`` for few color photographs; ``shift`` or ``strong-shift`` unless a flip
    proves harmless.

    Returns:
        The same if ``augment`` is set.
    """
    if config.augment != AUTO:
        return config
    if config.weights != "none" or config.trainable != "all" or config.phase:
        reason = sentence("the output of the frozen blocks is computed once per picture")
        progress.on_choice("augment", "none", reason)
        return replace(config, augment="none")
    verdict = judge_flips(feed.train.images, feed.train.labels, config.seed)
    # Crops are enough augmentation of few photographs: together they cost accuracy.
    photographs = not config.random_crop and feed.dataset.splits["train"].longest_side() > SMALL
    often = photographs and sees_pictures_often(config, len(feed.train), network)
    strong = often and are_photographs(feed.train.images, feed.train.labels)
    augment = _CHANGES[verdict == "harmless", strong]
    reason = _FLIPS[verdict]
    if strong:
        reason = sentence("color photographs; {flips}", flips=reason)
    progress.on_choice("augment", augment, reason)
    return replace(config, augment=augment)


_CHANGES: dict[tuple[bool, bool], Augment] = {
    (False, False): "shift", (True, False): "light",
    (False, True): "strong-shift", (True, True): "strong",
}  # fmt: skip
"""Preset by whether a flip is harmless, and whether these are color photographs that are seen
often."""

_FLIPS: dict[Verdict, Sentence] = {
    "harmless": sentence("mirrored pictures resemble their class as much as the originals do"),
    "harmful": sentence("no flips: mirrored pictures resemble their class less, or another class"),
    "unknown": sentence("no flips: the pictures do not show whether a flip changes the class"),
}
