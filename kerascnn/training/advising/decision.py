"""The decision from facts to advice: a pure function.

Knows: thresholds and where they come from, and how reasons are worded. Does not know: Keras, how
facts are measured.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kerascnn.language import Sentence, sentence
from kerascnn.metrics.significance import Interval, wilson_interval
from kerascnn.training.advising.facts import Facts
from kerascnn.training.phases import head_phase

Depth = Literal["head", "all", "scratch"]
"""The head alone, the head and then the whole network, or the whole network from random weights."""


@dataclass(frozen=True)
class Limits:
    """The thresholds of the decision.

    Attributes:
        similar: :attr:`.Facts.similarity` below which the data differs from what the backbone was
            trained on.
        useless: :attr:`.Facts.gain` below which such a backbone is not used, unless pictures are
            few.
        few: Pictures per class below which only the head is trained, if the backbone helps.
        helpful: :attr:`.Facts.gain` from which on the backbone helps.
    """

    similar: float
    useless: float
    few: float
    helpful: float


LIMITS = Limits(similar=-0.01, useless=0.0, few=10.0, helpful=0.15)
"""Thresholds, fitted on the fit half of the tasks of ``scripts/bench_advise``; see
docs/advise.md."""

BETTER = 0.087
SPREAD = 0.162
"""Test accuracy relative to the best probe, on the fit half: the median gain as a share of the
probe's error, and the spread that contains nine in ten, as a standard deviation."""

DEEPER = 0.3
"""Factor on the network's learning rate for scopes beyond the head, after the head's phase. Found
on tasks outside the table; see ``scripts/bench_advise``."""

BATCH = 32
"""Pictures per step with which the tasks were trained."""


@dataclass(frozen=True)
class Advice:
    """How to fine-tune, and why.

    Attributes:
        depth: ``head``, ``all``, or ``scratch``.
        scope: Value of ``--trainable``.
        phases: Values of ``--phase``, in order.
        learning_rate: Peak learning rate of the last phase.
        augment: Value of ``--augment``.
        expected_top1: Lower and upper bound of the accuracy, 0 to 1; about nine in ten tasks end
            within them.
        quadrant: Size and similarity of the data, e.g. ``("small", "similar")``; ``unknown`` if
            the similarity is meaningless.
        doubts: Reasons not to trust the advice; empty if there are none.
    """

    depth: Depth
    scope: str
    phases: tuple[str, ...]
    learning_rate: float
    augment: Literal["none", "light"]
    expected_top1: tuple[float, float]
    quadrant: tuple[str, str]
    doubts: tuple[str, ...]
    reasons: tuple[str, ...]
    facts: Facts

    def to_dict(self) -> dict[str, Any]:
        """Return the advice as plain values for JSON."""
        return {**asdict(self), "expected_top1": list(self.expected_top1)}


def depth_for(facts: Facts, limits: Limits = LIMITS) -> Depth:
    """Decide how much of a network to train."""
    if not facts.pretrained:
        return "scratch"
    few = facts.per_class < limits.few
    if facts.similarity < limits.similar:
        return "scratch" if facts.gain < limits.useless and not few else "all"
    return "head" if few and facts.gain >= limits.helpful else "all"


def advise_from(facts: Facts, rate: float) -> Advice:
    """Derive advice from facts and the network's learning rate."""
    depth = depth_for(facts)
    epochs = epochs_for(facts.pictures)
    head = head_phase(facts.pictures, len(facts.counts), epochs)
    learning_rate = rate * (1.0 if depth in ("head", "scratch") else DEEPER)
    light = facts.flipped is not None and facts.flipped > facts.best.probe and depth != "head"
    return Advice(
        depth,
        "head" if depth == "head" else "all",
        phases_for(depth, head, epochs, learning_rate),
        learning_rate,
        "light" if light else "none",
        expected(facts),
        _quadrant(facts),
        tuple(_doubts(facts)),
        tuple(_reasons(facts, depth, light)),
        facts,
    )


def _quadrant(facts: Facts) -> tuple[str, str]:
    size = "small" if facts.per_class < LIMITS.few else "large"
    if not facts.pretrained or _inseparable(facts):
        return size, "unknown"
    return size, "similar" if facts.similarity >= LIMITS.similar else "different"


def _interval(share: float, facts: Facts) -> Interval:
    return wilson_interval(share * facts.sampled, facts.sampled)


def _inseparable(facts: Facts) -> bool:
    """Return whether no stage separates the classes much better than naming the largest."""
    return _interval(facts.best.probe, facts).high < facts.chance + 0.1


def phases_for(depth: Depth, head: str, epochs: int, rate: float) -> tuple[str, ...]:
    """Plan the phases: a new head is trained alone first, to protect the layers below."""
    if depth == "scratch":
        return (f"all:{epochs}",)
    return (head,) if depth == "head" else (head, f"all:{epochs}:{rate:.3g}")


def epochs_for(pictures: int) -> int:
    """Return the number of epochs, at least 5, for as many steps as the tasks were trained."""
    steps = 160 if pictures <= 300 else 320 if pictures <= 1500 else 480
    return max(5, round(steps / max(1, pictures // BATCH)))


def expected(facts: Facts) -> tuple[float, float]:
    """Estimate bounds of the accuracy that training will reach.

    Returns:
        Lower and upper bound, 0 to 1: from the probe's own uncertainty, and from how far training
        was from the probe in ``scripts/bench_advise``.
    """
    best = max(facts.best.probe, facts.pixels)
    measured = _interval(best, facts)
    middle = best + BETTER * (1 - best)
    reach = math.hypot((measured.high - measured.low) / 2, 1.645 * SPREAD * (1 - best) ** 0.5)
    return max(facts.chance, middle - reach), min(1.0, middle + reach)


def _doubts(facts: Facts) -> list[str]:
    found: list[str] = []
    measured = _interval(facts.best.probe, facts)
    if not facts.pretrained:
        found.append(
            sentence(
                "the backbone has random weights, so its similarity to the data is meaningless. "
                "Set `weights` to imagenet or a file."
            )
        )
    if measured.high - measured.low > 0.25 or facts.per_class < 5:
        found.append(_too_little(facts, measured))
    elif _inseparable(facts):
        found.append(_not_separable(facts))
    return found


def _too_little(facts: Facts, measured: Interval) -> str:
    return sentence(
        "too little data to decide: with {pictures} pictures, {each} per class, the probe's "
        "accuracy may be anywhere from {low} to {high}. Collect more pictures, or compare the "
        "scopes by cross-validation.",
        pictures=facts.sampled,
        each=f"{facts.per_class:.0f}",
        low=f"{measured.low:.0%}",
        high=f"{measured.high:.0%}",
    )


def _not_separable(facts: Facts) -> str:
    return sentence(
        "the classes are not separable with this backbone: a linear probe on its best stage "
        "({stage}) reaches {probe}, and always predicting the largest class gives {chance}. "
        "Check the labels (kerascnn data check), or choose another backbone.",
        stage=facts.best.name,
        probe=f"{facts.best.probe:.0%}",
        chance=f"{facts.chance:.0%}",
    )


def _size(facts: Facts) -> Sentence:
    return sentence(
        "{pictures} training pictures in {classes} classes, {each} per class: {size} (the limit "
        "is {limit}).",
        pictures=f"{facts.pictures:,}",
        classes=len(facts.counts),
        each=f"{facts.per_class:.0f}",
        size=sentence("few") if facts.per_class < LIMITS.few else sentence("many"),
        limit=f"{LIMITS.few:.0f}",
    )


def _reasons(facts: Facts, depth: Depth, light: bool) -> list[str]:
    found: list[str] = [_size(facts)]
    if facts.pretrained:
        found.append(_likeness(facts))
    found.append(_why(facts, depth))
    if facts.confused and facts.confused[2] >= 0.2:
        one, other, share = facts.confused
        found.append(
            sentence(
                "Hardest: {share} of {one} look like {other} to that classifier.",
                share=f"{share:.0%}",
                one=one,
                other=other,
            )
        )
    if facts.flipped is not None and depth != "head":
        found.append(_flips(facts.flipped, light))
    return found


def _flips(share: float, light: bool) -> str:
    template = (
        "Adding mirrored pictures improves the probe ({share}), so `augment` light."
        if light
        else "Adding mirrored pictures does not improve the probe ({share}), so `augment` none."
    )
    return sentence(template, share=f"{share:.1%}")


def _likeness(facts: Facts) -> str:
    last, best = facts.last, facts.best
    alike = {
        "similar": sentence("The data is similar to what the backbone was trained on"),
        "different": sentence("The data differs from what the backbone was trained on"),
        "unknown": sentence(
            "No features separate the classes, so the similarity to what the backbone was "
            "trained on is unknown"
        ),
    }[_quadrant(facts)[1]]
    return sentence(
        "{alike}: a linear probe reaches an accuracy of {last} on the last stage ({last_name}), "
        "{best} on the best one ({best_name}) and {pixels} on the pixels.",
        alike=alike,
        last=f"{last.probe:.1%}",
        last_name=last.name,
        best=f"{best.probe:.1%}",
        best_name=best.name,
        pixels=f"{facts.pixels:.1%}",
    )


def _why(facts: Facts, depth: Depth) -> str:
    if depth == "head":
        return sentence(
            "Its features suit the data, and there are few pictures: train the head alone."
        )
    if depth == "all":
        return sentence(
            "Train the head, then everything at a low rate: this worked best on the tasks that "
            "the rule was fitted on."
        )
    if not facts.pretrained:
        return sentence("There is nothing to transfer: train everything from random weights.")
    if _inseparable(facts):
        return sentence(
            "The backbone's last stage is less informative than the pixels: train from random "
            "weights."
        )
    return sentence(
        "The backbone's last stage is less informative than the pixels, and there are enough "
        "pictures: train from random weights."
    )
