"""Diagnoses the most common causes of poor accuracy from metrics.

Knows: what practitioners check first. Does not know figures or HTML.
"""

from __future__ import annotations

from collections.abc import Iterator

from kerascnn.language import count, tr
from kerascnn.metrics.classification import Evaluation
from kerascnn.metrics.significance import is_worse, percent, wilson_interval
from kerascnn.printable import first_few
from kerascnn.report.content import Content, Learning

_FEW_STEPS = 300
"""Optimizer steps from random weights below which training is short; see docs/experiments.md."""

_ENOUGH_STEPS = 1_000
"""Steps from which training longer is no longer the first advice to a network that does not fit its
training pictures: at 306 steps, twice as many gained 2 to 14 points (docs/experiments.md)."""

_FEW_PICTURES = 50
"""Pictures per class below which a class has too few."""

_SHRUNK = 2
"""Factor by which pictures are shrunk from which details are lost that may tell the classes."""

_GAP = 0.08
"""Difference between training accuracy and accuracy on new pictures above which a network
overfits, if it is statistically significant."""

_CONFIDENT = 0.95
"""Confidence of a wrong prediction from which its label may be wrong."""

_CONFUSED = 0.2
"""Share of the pictures of two classes confused with each other from which they are reported."""

_NEGLIGIBLE_LEAK = 0.01
"""Share of validation pictures that are also training pictures up to which their effect on the
accuracy is negligible."""

_SHIFT = 0.15
"""Total variation distance between the class distributions of two splits that is reported."""


def not_learned(learning: Learning) -> str:
    """Explain why a network predicts no better than chance, and what to do."""
    train = percent(learning.train_right / learning.train_images)
    naive = learning.train_largest or learning.train_images / learning.classes
    if 2 * learning.train_right < learning.train_images + naive:
        return _unequal(train, naive, learning) or _not_fitted(train, learning.steps)
    if _fewest(learning) < _FEW_PICTURES:
        return tr(
            "It classifies {train} of its training pictures correctly, but new ones at chance "
            "level, with only {each} per class. What should help: {remedies}.",
            train=train,
            each=_each(learning),
            remedies=_remedies(learning),
        )
    return tr(
        "It classifies {train} of its training pictures correctly, but new ones at chance "
        "level: the validation pictures differ from them, or labels are wrong. Look at both "
        "(kerascnn data check DATA).",
        train=train,
    )


def _unequal(train: str, naive: float, learning: Learning) -> str:
    """Explain chance level by class imbalance; empty if the classes are not that unequal."""
    if 2 * naive < learning.train_images or 2 * learning.train_fewest >= learning.train_most:
        return ""
    return tr(
        "It classifies {train} of its training pictures correctly, and always predicting the most "
        "frequent class would give {naive}: the classes have {each}. Weight them equally "
        "(--class-weights balanced), or add pictures of the small ones.",
        train=train,
        naive=percent(naive / learning.train_images),
        each=_each(learning),
    )


def _each(learning: Learning) -> str:
    """Describe the number of training pictures per class."""
    if 2 * learning.train_fewest >= learning.train_most:
        each = count(learning.pictures // learning.classes, "picture")
        return tr("about {pictures}", pictures=each)
    return tr(
        "{fewest} to {most} pictures",
        fewest=f"{learning.train_fewest:,}",
        most=f"{learning.train_most:,}",
    )


def _fewest(learning: Learning) -> int:
    return learning.train_fewest or learning.pictures // learning.classes


def _stopped_early(learning: Learning) -> bool:
    """Return whether training longer should help: training pictures are not fitted yet."""
    fitted = learning.train_right >= (1 - _GAP) * learning.train_images
    return not fitted and 0 < learning.steps < _ENOUGH_STEPS


def _remedies(learning: Learning) -> str:
    """List what helps to classify new pictures, without what the network was trained with."""
    found = [tr("more pictures")]
    if _stopped_early(learning):
        found.append(tr("more epochs (--epochs)"))
    if not learning.augmented:
        found.append(tr("augmentation (--augment)"))
    if not learning.pretrained and _fewest(learning) < _FEW_PICTURES:
        found.append(tr("pretrained weights (--weights)"))
    if learning.shrunk >= _SHRUNK:
        found.append(tr("a larger input, if small details tell the classes (--image-size)"))
    return ", ".join(found)


def _not_fitted(train: str, steps: int) -> str:
    if not steps:
        return tr(
            "The head was fitted to frozen features, and classifies only {train} of its "
            "training pictures correctly. Check the labels (kerascnn data check DATA), or "
            "train more than the head (--trainable all).",
            train=train,
        )
    if steps < _FEW_STEPS:
        return tr(
            "It classifies {train} of its training pictures correctly after {steps}, too "
            "few. Train longer (--epochs), for at least {least} steps.",
            train=train,
            steps=count(steps, "step"),
            least=_FEW_STEPS,
        )
    return tr(
        "It classifies only {train} of its training pictures correctly after {steps}. "
        "Check the labels (kerascnn data check DATA), try another learning rate "
        "(kerascnn train DATA --find-lr) or a larger network (--model).",
        train=train,
        steps=count(steps, "step"),
    )


def inconclusive_note(baseline: float) -> str:
    """Explain that pictures are too few or too imbalanced to distinguish a model from guessing."""
    return tr(
        "These pictures do not show whether that is better than guessing: always predicting the "
        "most frequent class would give {naive}. Evaluate it on more pictures.",
        naive=f"{baseline:.0%}",
    )


def leaked(copies: int, images: int) -> str:
    """Explain that validation pictures are also training pictures; empty if that is negligible."""
    if copies <= _NEGLIGIBLE_LEAK * images:
        return ""
    return tr(
        "{count} of {images} validation pictures are also training pictures, so the validation "
        "accuracy is not that of new pictures. To list them: kerascnn data check DATA",
        count=f"{copies:,}",
        images=f"{images:,}",
    )


def causes(content: Content) -> Iterator[str]:
    """Yield the likely causes that limit a network's accuracy."""
    evaluation, learning = content.evaluation, content.learning
    if learning and evaluation.split != "train":
        yield from _fit(learning, evaluation)
    if learning and evaluation.split == "test":
        yield from _other_pictures(learning, evaluation)
    yield from _other_balance(content)
    yield from _confused_pair(content)
    yield from _labels(evaluation)


def _fit(learning: Learning, evaluation: Evaluation) -> Iterator[str]:
    """Diagnose overfitting or underfitting from the training accuracy."""
    train = percent(learning.train_right / learning.train_images)
    new = percent(evaluation.top1)
    share = learning.train_right / learning.train_images
    if share > _GAP and is_worse(evaluation.correct, evaluation.images, share - _GAP):
        yield tr(
            "It classifies {train} of its training pictures correctly and {new} of new ones: it "
            "overfits. It has {each} per class. What should help: {remedies}.",
            train=train,
            new=new,
            each=_each(learning),
            remedies=_remedies(learning),
        )
    elif _stopped_early(learning):
        yield tr(
            "It classifies only {train} of its training pictures correctly, after {steps}: "
            "training longer should help.",
            train=train,
            steps=count(learning.steps, "step"),
        )


def _other_pictures(learning: Learning, evaluation: Evaluation) -> Iterator[str]:
    val = wilson_interval(learning.val_right, learning.val_images)
    if val.low > evaluation.top1_interval.high or val.high < evaluation.top1_interval.low:
        yield tr(
            "{val} of the validation pictures are classified correctly and {test} of the test "
            "pictures, a significant difference: the two splits do not come from the same "
            "distribution.",
            val=percent(learning.val_right / learning.val_images),
            test=percent(evaluation.top1),
        )


def _other_balance(content: Content) -> Iterator[str]:
    train, judged = (content.balance.get(name) for name in ("train", content.evaluation.split))
    if not train or not judged or content.evaluation.split == "train" or sum(judged) < 50:
        return
    shares = [
        (one / sum(train), other / sum(judged)) for one, other in zip(train, judged, strict=True)
    ]
    if sum(abs(one - other) for one, other in shares) / 2 < _SHIFT:
        return
    place = max(range(len(shares)), key=lambda number: abs(shares[number][0] - shares[number][1]))
    yield tr(
        "The class distribution differs from training: “{label}” makes up {train} of the "
        "training pictures and {these} of these.",
        label=content.classes[place],
        train=f"{shares[place][0]:.0%}",
        these=f"{shares[place][1]:.0%}",
    )


def _confused_pair(content: Content) -> Iterator[str]:
    matrix, names = content.evaluation.confusion, content.classes
    pairs = [
        (matrix[one][other] + matrix[other][one], one, other)
        for one in range(len(names))
        for other in range(one)
    ]
    if len(pairs) < 2:
        return  # with two classes, every mistake is between them
    confused, one, other = max(pairs)
    both = sum(matrix[one]) + sum(matrix[other])
    mistakes = content.evaluation.images - content.evaluation.correct
    if confused >= max(5, _CONFUSED * both, mistakes / 2):
        yield tr(
            "“{one}” and “{other}” are confused with each other in {count} of their {both} "
            "pictures, and these are {share} of all mistakes: can these two classes be told apart "
            "in the pictures?",
            one=names[other],
            other=names[one],
            count=f"{confused:,}",
            both=f"{both:,}",
            share=percent(confused / mistakes),
        )


def _labels(evaluation: Evaluation) -> Iterator[str]:
    sure = [one for one in evaluation.mistakes if one.probability >= _CONFIDENT]
    if not sure:
        return
    names = first_few([one.path for one in sure], 3)
    if len(sure) == 1:
        yield tr(
            "One wrong prediction has a confidence of at least {sure}: look there first, the "
            "label may be wrong ({names}).",
            sure=f"{_CONFIDENT:.0%}",
            names=names,
        )
        return
    yield tr(
        "{count} wrong predictions have a confidence of at least {sure}: look there first, the "
        "label may be wrong ({names}).",
        count=f"{len(sure):,}",
        sure=f"{_CONFIDENT:.0%}",
        names=names,
    )
