"""Advice for a data set and a backbone.

Knows: the steps from a configuration to advice, what cannot be advised on, and the command to type.
Does not know: how facts are measured or weighed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kerascnn.errors import DataError
from kerascnn.language import count, sentence, tr
from kerascnn.language.messages import translated
from kerascnn.printable import command_line, first_few
from kerascnn.training.advising import SAMPLE
from kerascnn.training.advising.decision import BATCH, DEEPER, Advice, advise_from, phases_for
from kerascnn.training.advising.facts import Facts
from kerascnn.training.advising.measurement import measure, open_extractor
from kerascnn.training.auto.hyperparameters import FEW_TO_CHOOSE_BY
from kerascnn.training.auto.model import affordable_phases, from_scratch
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import AUTO, TrainConfig, expect_config
from kerascnn.training.data.feed import Feed
from kerascnn.training.data.pack import Pack
from kerascnn.training.phases import head_phase, highest_rate, written_phases
from kerascnn.training.setup import assemble
from kerascnn.training.trainer.parts import RunParts

FEW_VALIDATION = sentence(
    "too few validation pictures to tell whether training more than the head helps"
)


def advise(config: TrainConfig, progress: Callback | None = None) -> Advice:
    """Decide how deep to fine-tune a backbone on some pictures.

    Two forward passes over at most :data:`kerascnn.training.advising.SAMPLE` training pictures,
    once as they are and once mirrored; nothing is trained, and only the cache is written.

    Args:
        config: Of it ``data``, ``model``, ``weights`` and the options for resizing are used.

    Raises:
        ConfigError: There is no such network, or the size does not fit.
        DataError: There is only one class, or a class with fewer than two pictures.
        ModelFileError: The weights cannot be used.
    """
    expect_config(config)
    progress = progress or Callback()
    parts = assemble(config, progress)
    advice = advise_on(parts, progress)
    if advice.depth != "all" or not too_few_to_judge(config, parts.feed):
        return advice
    doubt = sentence(
        "{pictures} for validation: too few to tell whether to train more than the head, so "
        "`trainable` auto stops after the head. Compare both on other pictures.",
        pictures=count(len(parts.feed.val), "picture"),
    )
    return replace(advice, doubts=(*advice.doubts, doubt))


def advise_on(parts: RunParts, progress: Callback) -> Advice:
    """Advise on a loaded network and data of :func:`kerascnn.training.data.feed.prepare`.

    Raises:
        DataError: There is only one class, or a class with fewer than two pictures.
    """
    config, feed, start = parts.config, parts.feed, parts.start
    classes = feed.dataset.classes
    counts = np.bincount(feed.train.labels, minlength=len(classes))
    _check(classes, counts)
    chosen = sample(feed.train, SAMPLE, config.seed)
    facts = measure(
        open_extractor(start.core, start.normalization),
        feed.train.images[chosen],
        feed.train.labels[chosen],
        tuple(int(count) for count in counts),
        lambda done, total: progress.on_read("pictures looked at", done, total),
    )
    rate = highest_rate(config, start.network)
    return advise_from(_named(facts, classes, config.weights != "none"), rate)


def sample(pack: Pack, most: int, seed: int) -> np.ndarray:
    """Choose pictures, at least two of every class if it has them.

    Returns:
        Their indices, in order, int64 ``[pictures]``.
    """
    order = np.random.default_rng(seed).permutation(len(pack))
    if len(pack) <= most:
        return np.arange(len(pack))
    by_class = order[np.argsort(pack.labels[order], kind="stable")]
    labels = pack.labels[by_class]
    place_in_class = np.arange(len(labels)) - np.searchsorted(labels, labels)
    return np.unique(np.concatenate([order[:most], by_class[place_in_class < 2]]))


def too_few_to_judge(asked: TrainConfig, feed: Feed) -> bool:
    """Return whether validation pictures are too few to show whether deeper fine-tuning helps.

    Then a fitted head alone is the safer choice (docs/experiments.md). False if the user sets the
    epochs.
    """
    return asked.epochs == AUTO and len(feed.val) < FEW_TO_CHOOSE_BY


def apply_advice(config: TrainConfig, advice: Advice) -> TrainConfig:
    """Replace ``auto`` by the advice: scope, phases, and no weights if advised against them."""
    if advice.depth == "scratch":
        return replace(config, trainable=advice.scope, weights="none")
    head = head_phase(advice.facts.pictures, len(advice.facts.counts))
    plan = phases_for(advice.depth, head, written_phases(config)[0].epochs, advice.learning_rate)
    return replace(config, trainable=advice.scope, phase=plan)


def apply_advice_for_network(
    parts: RunParts, asked: TrainConfig, progress: Callback
) -> TrainConfig:
    """Choose the phases of the backbone that ``model`` ``auto`` chose.

    Returns:
        The configuration with phases set; or with the small network from random weights, if
        ImageNet features are less informative than the pixels.
    """
    config, feed = parts.config, parts.feed
    rate = DEEPER * highest_rate(config, parts.start.network)
    epochs, classes = written_phases(config)[0].epochs, len(feed.dataset.classes)
    try:
        depth = advise_on(parts, progress).depth
        reason: str = sentence("as `kerascnn advise` reasons")
    except DataError as error:
        # One picture per class is enough for the head, and too little to train more.
        depth, reason = "head", translated(str(error))
    if depth == "scratch" and config.weights == "imagenet":
        chosen = from_scratch(asked, feed.dataset)
        reason = sentence("the backbone's features are less informative than the pixels")
        progress.on_choice("model", chosen.model, reason)
        return chosen
    if depth != "head" and too_few_to_judge(asked, feed):
        depth, reason = "head", FEW_VALIDATION
    if asked.epochs == AUTO:
        plan = affordable_phases(len(feed.train), classes, depth != "head", rate)
    else:
        head = head_phase(len(feed.train), classes, epochs)
        plan = phases_for("head" if depth == "head" else "all", head, epochs, rate)
    progress.on_choice("phases", tr(", then ").join(plan), reason)
    return replace(config, trainable="all", phase=plan)


def command(config: TrainConfig, advice: Advice) -> str:
    """Return the command that follows the advice."""
    words = ["kerascnn", "train", config.data, "--model", config.model]
    if advice.depth != "scratch" and config.weights != "none":
        words += ["--weights", config.weights]
    if config.image_size:
        words += ["--image-size", str(config.image_size)]
    if config.resize:
        words += ["--resize", config.resize]
    if config.val is not None:
        words += ["--val", str(config.val)]
    if config.seed:
        words += ["--seed", str(config.seed)]
    for phase in advice.phases:
        words += ["--phase", phase]
    words += ["--batch-size", str(BATCH), "--augment", advice.augment]
    return command_line(words)


def _check(classes: tuple[str, ...], counts: np.ndarray) -> None:
    if len(classes) < 2:
        raise DataError(f"one class only ({classes[0]}): there is nothing to classify.")
    poor = [name for name, count in zip(classes, counts, strict=True) if count < 2]
    if poor:
        raise DataError(
            f"{len(poor)} of {len(classes)} classes have fewer than two training pictures "
            f"({first_few(poor)}), so none can be held out for validation. "
            "Expected at least two per class, preferably twenty."
        )


def _named(facts: Facts, classes: tuple[str, ...], pretrained: bool) -> Facts:
    confused = facts.confused
    if confused:
        confused = (classes[int(confused[0])], classes[int(confused[1])], confused[2])
    return replace(facts, names=classes, pretrained=pretrained, confused=confused)
