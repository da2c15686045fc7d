"""The verdict: true at the ends of the scale, and the commonest causes told apart by numbers."""

import re

import numpy as np
import pytest

from kerascnn.card import ModelCard
from kerascnn.metrics.classification import Evaluation, evaluate_predictions
from kerascnn.metrics.outputs import Predictions
from kerascnn.report.card_facts import learning_of
from kerascnn.report.content import Learning
from kerascnn.report.verdict import judge

CLASSES = ("bag", "boot", "coat", "shirt")


def evaluation(answers, labels, split: str = "val", sure: float = 2.0) -> Evaluation:
    logits = np.eye(len(CLASSES), dtype=np.float32)[answers] * sure
    names = tuple(f"{number}.png" for number in range(len(labels)))
    return evaluate_predictions(
        Predictions(logits, np.asarray(labels), CLASSES, names, split=split)
    )


def learning(train_right: int = 95, steps: int = 400, pictures: int = 2_000, **others) -> Learning:
    counts = {"train_images": 100, "val_right": 90, "val_images": 100, "val_largest": 25, **others}
    return Learning(steps, pictures, len(CLASSES), train_right, **counts)


def told(content, found: Evaluation, **others) -> str:
    fields = {"evaluation": found, "epochs": (), "balance": {}, "mistakes": (), **others}
    verdict = judge(content(classes=CLASSES, **fields))
    return " ".join([verdict.headline, *verdict.remarks])


LABELS = np.arange(200) % 4


def wrong_in(count: int) -> np.ndarray:
    """Predictions of which so many are wrong, evenly over the classes."""
    answers = LABELS.copy()
    answers[:count] = (answers[:count] + 1 + np.arange(count) // 4 % 3) % 4
    return answers


@pytest.mark.parametrize(
    ("wrong", "headline"),
    [(0, "200 of 200 validation pictures are classified correctly (100.0%)."),
     (1, "199 of 200 validation pictures are classified correctly (99.5%)."),
     (200, "0 of 200 validation pictures are classified correctly (0.0%).")],
)  # fmt: skip
def test_the_headline_counts_the_pictures_that_there_are(content, wrong, headline):
    assert told(content, evaluation(wrong_in(wrong), LABELS)).startswith(headline)


def test_chance_is_a_verdict_of_its_own(content):
    guessing = evaluation(np.zeros(200, np.int64), LABELS)
    assert judge(content(classes=CLASSES, evaluation=guessing, epochs=())).tone == "poor"
    bad = {"val_right": 25, "val_images": 100, "val_largest": 25}
    short = told(content, guessing, learning=learning(38, 10, **bad))
    assert "It has not learned" in short
    assert "38.0% of its training pictures correctly after 10 steps, too few" in short
    assert "overfits" not in short
    stuck = told(content, guessing, learning=learning(38, 5_000, **bad))
    assert "--find-lr" in stuck
    few = told(content, guessing, learning=learning(97, 400, 40, **bad))
    assert "only about 10 pictures per class" in few
    other = told(content, guessing, learning=learning(97, 400, 4_000, **bad))
    assert "differ from them, or labels are wrong" in other


@pytest.mark.parametrize(
    ("answers", "labels"),
    [([0, 1], [0, 1]), ([0] * 19 + [1], [0] * 19 + [1]), ([0] * 60, [0] * 60), ([1], [0])],
    ids=["two", "one class has nearly all", "one class has all", "one"],
)
def test_too_few_pictures_to_tell_from_guessing_praise_nothing(content, answers, labels):
    said = told(content, evaluation(answers, np.asarray(labels)))
    assert "These pictures do not show whether that is better than guessing" in said
    assert not re.search("far better|has learned|has not learned", said)


def test_few_pictures_are_no_proof_that_nothing_was_learned(content):
    few = evaluation([0, 1, 3], np.asarray([0, 1, 2]))
    counts = {"train_images": 36, "val_right": 2, "val_images": 3, "val_largest": 1}
    fitted = told(content, few, learning=learning(36, pictures=36, train_largest=9, **counts))
    assert "These pictures do not show whether that is better than guessing" in fitted
    guessed = told(content, few, learning=learning(9, pictures=36, train_largest=9, **counts))
    assert "It has not learned" in guessed
    assert "only 25.0% of its training pictures" in guessed


def test_too_few_steps_and_too_few_pictures_are_told_apart(content):
    found = evaluation(wrong_in(60), LABELS)
    assert "it overfits. It has about 500 pictures per class" in told(
        content, found, learning=learning(99)
    )
    short = told(content, found, learning=learning(71, steps=40))
    assert "only 71.0% of its training pictures correctly, after 40 steps" in short
    assert "overfits" not in short
    assert "306 steps: training longer" in told(content, found, learning=learning(71, steps=306))
    assert "steps: training longer" not in told(content, found, learning=learning(71, steps=4_000))
    worse = evaluation(wrong_in(80), LABELS)
    both = "What should help: more pictures, more epochs (--epochs), augmentation"
    assert both in told(content, worse, learning=learning(88, steps=306))
    assert both not in told(content, worse, learning=learning(99, steps=306))


@pytest.mark.parametrize(
    ("used", "pictures", "remedies"),
    [
        ({}, 2_000, "more pictures, augmentation (--augment)."),
        ({"augmented": 1}, 2_000, "more pictures."),
        ({"augmented": 1}, 40, "more pictures, pretrained weights (--weights)."),
        ({"augmented": 1, "pretrained": 1}, 40, "more pictures."),
        ({"augmented": 1, "shrunk": 1}, 2_000, "more pictures."),
        ({"augmented": 1, "shrunk": 2}, 2_000,
         "more pictures, a larger input, if small details tell the classes (--image-size)."),
    ],
)  # fmt: skip
def test_nothing_is_advised_that_training_used_already(content, used, pictures, remedies):
    overfitted = told(
        content, evaluation(wrong_in(60), LABELS), learning=learning(99, 400, pictures, **used)
    )
    assert f"per class. What should help: {remedies}" in overfitted


def test_always_predicting_a_large_class_is_told_from_memorizing(content):
    labels = np.where(np.arange(400) < 380, 0, 1)
    unequal = {"train_largest": 95, "train_fewest": 100, "train_most": 1_900,
               "val_right": 380, "val_images": 400, "val_largest": 380}  # fmt: skip
    found = evaluation(np.zeros(400, np.int64), labels)
    said = told(content, found, learning=learning(95, **unequal))
    assert "It has not learned" in said
    assert "95.0% of its training pictures correctly, and always predicting the most " in said
    assert "the classes have 100 to 1,900 pictures. Weight them equally" in said
    memorized = told(content, found, learning=learning(100, **unequal))
    assert "100.0% of its training pictures correctly, but new ones at chance level" in memorized


def test_the_pictures_of_small_classes_are_not_averaged_away(content):
    found = evaluation(wrong_in(60), LABELS)
    unequal = learning(99, train_fewest=2, train_most=900)
    assert "it overfits. It has 2 to 900 pictures per class" in told(
        content, found, learning=unequal
    )
    bad = learning(97, train_fewest=2, train_most=900, val_right=20)
    assert "with only 2 to 900 pictures per class" in told(
        content, evaluation(np.zeros(200, np.int64), LABELS), learning=bad
    )
    alike = learning(99, train_fewest=480, train_most=520)
    assert "about 500 pictures per class" in told(content, found, learning=alike)


@pytest.mark.parametrize(
    ("wrong", "images", "said"), [(1, 10, False), (4, 10, True), (30, 200, True)]
)
def test_overfitting_is_told_where_the_pictures_show_it(content, wrong, images, said):
    labels = LABELS[:images]
    answers = np.where(
        np.arange(images) < wrong, (labels + 1 + np.arange(images) // 4 % 3) % 4, labels
    )
    found = told(content, evaluation(answers, labels), learning=learning(100))
    assert ("it overfits" in found) == said


def test_the_weakest_class_is_named_where_it_has_pictures_enough(content):
    answers = LABELS.copy()
    answers[LABELS == 2] = 3
    assert "none of its 50 pictures are recognized, and no picture is predicted as “coat”" in told(
        content, evaluation(answers, LABELS)
    )
    answers[0] = 2
    assert "0% of its 50 pictures are recognized, and 0% of the predictions “coat”" in told(
        content, evaluation(answers, LABELS)
    )
    few = np.flatnonzero((LABELS != 2) | (np.arange(200) < 16))  # four pictures of coats
    assert "The weakest class" not in told(content, evaluation(answers[few], LABELS[few]))


def test_classes_that_are_alike_are_named(content):
    answers = LABELS.copy()
    answers[LABELS == 2] = np.where(np.arange(50) % 2, 2, 3)
    assert "“coat” and “shirt” are confused with each other in 25 of their 100" in told(
        content, evaluation(answers, LABELS)
    )
    assert "confused with each other" not in told(content, evaluation(wrong_in(60), LABELS))


@pytest.mark.parametrize(
    ("boots", "shirts", "said"),
    [(0, 0, False), (1, 0, False), (2, 2, False), (2, 0, True), (2, 1, True)],
)
def test_only_a_confusion_more_frequent_than_all_others_is_named(content, boots, shirts, said):
    answers = LABELS.copy()
    answers[np.flatnonzero(LABELS == 0)[:boots]] = 1  # bags
    answers[np.flatnonzero(LABELS == 2)[:shirts]] = 3  # coats
    found = told(content, evaluation(answers, LABELS))
    assert ("most frequent confusion: “bag” predicted as “boot”, 2 times." in found) == said
    assert ("most frequent confusion" in found) == said


def test_sure_mistakes_are_shown_as_possibly_wrong_labels(content):
    sure = told(content, evaluation(wrong_in(5), LABELS, sure=9.0))
    assert "5 wrong predictions have a confidence of at least 95%" in sure
    assert re.search(r"\((?:[0-4]\.png, ){3}\.\.\.\)", sure)
    assert "label may be wrong" not in told(content, evaluation(wrong_in(5), LABELS))


@pytest.mark.parametrize(("copies", "told_"), [(0, False), (1, False), (2, True), (100, True)])
def test_copies_of_training_pictures_are_told_of_the_validation_pictures(content, copies, told_):
    known = learning(val_leaked=copies)
    said = f"{copies} of 100 validation pictures are also training pictures"
    found = told(content, evaluation(wrong_in(10), LABELS), learning=known)
    assert (said in found) == told_
    assert said not in told(content, evaluation(wrong_in(10), LABELS, "test"), learning=known)


def test_splits_that_differ_are_told(content):
    test = evaluation(wrong_in(80), LABELS, "test")
    assert "do not come from the same distribution" in told(content, test, learning=learning())
    alike = learning(val_right=62)
    assert "do not come from the same distribution" not in told(content, test, learning=alike)
    balance = {"train": (70, 10, 10, 10), "test": (50, 50, 50, 50)}
    assert "“bag” makes up 70% of the training pictures and 25% of these" in told(
        content, test, balance=balance
    )


def test_what_was_measured_where_the_temperature_was_fitted_is_said(content):
    found = evaluation(wrong_in(60), LABELS)
    said = "measured on the pictures that the temperature was fitted on"
    assert said in told(content, found, fitted_on="val")
    assert said not in told(content, found)
    assert said not in told(content, evaluation(wrong_in(60), LABELS, "test"), fitted_on="val")


def test_nobody_is_told_to_calibrate_on_the_pictures_that_it_was_calibrated_on(content):
    sure = evaluation(wrong_in(60), LABELS, sure=8.0)
    assert "Calibrate it on validation pictures like these" in told(content, sure)
    fitted = told(content, sure, fitted_on="val")
    assert "It was calibrated on these very pictures" in fitted
    assert "Calibrate it" not in fitted


def test_a_card_of_an_earlier_version_says_nothing_of_learning():
    card = ModelCard("m", "cnn", CLASSES, 32, "squash", metrics={"val_top1": 0.3})
    assert learning_of(card) is None
