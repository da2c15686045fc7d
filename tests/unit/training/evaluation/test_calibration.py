"""The temperature: the best one, nothing else changes, and honest where there is none."""

import logging
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerascnn import Classifier, training
from kerascnn.dataset import load_dataset
from kerascnn.inference.evaluation import predict_file
from kerascnn.metrics import calibration
from kerascnn.metrics.calibration import cross_entropy
from kerascnn.training.evaluation.calibration import fit_temperature


def drawn(true_temperature: float, images: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Give logits, and labels drawn with the probabilities at a known temperature."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 4, (images, 6)).astype(np.float32)
    noise = random.gumbel(size=logits.shape)
    return logits, (logits / true_temperature + noise).argmax(1)


@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_that_made_the_labels_is_found(true_temperature):
    logits, labels = drawn(true_temperature)
    assert fit_temperature(logits, labels) == pytest.approx(true_temperature, rel=0.1)


def test_it_is_the_minimum_that_scipy_finds():
    optimize = pytest.importorskip("scipy.optimize")
    logits, labels = drawn(2.5, 300)
    found = optimize.minimize_scalar(
        lambda t: cross_entropy(logits, labels, t), bounds=(0.05, 20), options={"xatol": 1e-9}
    )
    assert fit_temperature(logits, labels) == pytest.approx(found.x, rel=1e-5)


@pytest.mark.parametrize("true_temperature", [0.3, 2.5, 8.0])
def test_it_is_where_scipy_finds_the_slope_to_be_zero(true_temperature):
    optimize, special = map(pytest.importorskip, ("scipy.optimize", "scipy.special"))
    logits, labels = drawn(true_temperature, 300)
    wide = logits.astype(np.float64)

    def slope(factor: float) -> float:
        expected = (special.softmax(factor * wide, axis=1) * wide).sum(axis=1)
        return float((expected - wide[np.arange(300), labels]).mean())

    root = optimize.brentq(slope, 0.05, 20, xtol=1e-15)
    assert fit_temperature(logits, labels) == pytest.approx(1 / root, rel=1e-11)


def test_very_many_classes_take_little_memory(monkeypatch):
    """Probabilities of 50,000 pictures and 2,000 classes took 2.4 GB, 60 times."""
    monkeypatch.setattr(calibration, "_AT_ONCE", 1 << 15)
    logits = np.random.default_rng(0).normal(0, 4, (2000, 500)).astype(np.float32)
    labels = np.where(np.arange(2000) % 3, logits.argmax(1), 7)
    tracemalloc.start()
    try:
        assert fit_temperature(logits, labels) is not None
        assert tracemalloc.get_traced_memory()[1] < logits.nbytes
    finally:
        tracemalloc.stop()


def test_a_shift_of_all_logits_changes_nothing():
    logits, labels = drawn(2.5, 300)
    shifted = logits + np.arange(300, dtype=np.float32)[:, None]
    assert fit_temperature(shifted, labels) == pytest.approx(
        fit_temperature(logits, labels), rel=1e-4
    )


def test_where_no_temperature_is_best_there_is_none():
    logits, labels = drawn(1.0, 100)
    assert fit_temperature(logits, logits.argmax(1)) is None  # all right: no end to being sure
    assert fit_temperature(logits, logits.argmin(1)) is None  # worse than chance
    assert fit_temperature(logits[:19], labels[:19]) is None  # too few
    assert fit_temperature(logits[:20], labels[:20]) is not None


# ---- in a run, in the file


def test_card_and_file_carry_it_with_the_error_before_and_after(trained: Path, exported: Path):
    card = training.open_run(trained).card
    assert card.temperature != 1
    assert Classifier(exported).card.temperature == pytest.approx(card.temperature, rel=1e-12)
    assert card.metrics["val_nll"] < card.metrics["val_nll_uncalibrated"]
    # The loss of the last epoch was measured on the same pictures, uncalibrated.
    assert card.metrics["val_nll_uncalibrated"] == pytest.approx(card.metrics["val_loss"], abs=1e-5)
    val = training.evaluate_run(trained, split="val")
    assert val.reliability.temperature == card.temperature
    assert val.reliability.ece == pytest.approx(card.metrics["val_ece"], abs=1e-5)


def test_logits_stay_and_no_first_answer_changes(exported: Path):
    classifier = Classifier(exported)
    pictures = load_dataset("fashion-mini").splits["test"].pictures
    sized = np.stack([np.pad(pictures[i], ((2, 2), (2, 2), (0, 0))) for i in range(len(pictures))])
    sized = sized[:, : classifier.card.image_size, : classifier.card.image_size]
    logits, probabilities = classifier.run(np.ascontiguousarray(sized))
    assert np.array_equal(logits.argmax(1), probabilities.argmax(1))
    plain = np.exp(logits - logits.max(1, keepdims=True))
    plain /= plain.sum(1, keepdims=True)
    assert np.abs(plain - probabilities).max() > 0.001  # it does something
    powers = np.exp((logits - logits.max(1, keepdims=True)) / classifier.card.temperature)
    np.testing.assert_allclose(probabilities, powers / powers.sum(1, keepdims=True), atol=1e-5)


def test_evaluation_differs_only_in_probabilities(exported: Path):
    answers = predict_file(exported, "fashion-mini")
    plain = replace(answers, temperature=1.0)
    assert np.array_equal(answers.top1, plain.top1)
    assert np.array_equal(answers.top1, answers.probabilities.argmax(1))
    assert answers.temperature != 1
    assert not np.allclose(answers.probabilities, plain.probabilities, atol=1e-3)


@pytest.mark.slow
def test_no_calibration_leaves_one_and_the_same_network(trained: Path, tmp_path: Path):
    config = replace(training.open_run(trained).config, out=str(tmp_path / "plain"))
    run = training.fit(replace(config, calibration=False))
    card, calibrated = run.card, training.open_run(trained).card
    assert card.temperature == 1
    assert not any("ece" in name for name in card.metrics)
    assert card.metrics["val_top1"] == pytest.approx(calibrated.metrics["val_top1"], abs=0.02)


@pytest.mark.slow
def test_too_few_pictures_are_told_and_training_is_still_good(tmp_path, caplog):
    split = load_dataset("fashion-mini").splits["train"]
    chosen = np.concatenate([np.flatnonzero(split.labels == label)[:8] for label in (0, 1)])
    pictures = np.stack([split.pictures[int(index)] for index in chosen])
    np.savez(tmp_path / "few.npz", images=pictures, labels=split.labels[chosen])
    config = training.TrainConfig(
        data=str(tmp_path / "few.npz"), out=str(tmp_path / "run"), epochs=1, model="cnn"
    )
    with caplog.at_level(logging.WARNING, "kerascnn"):
        run = training.fit(config)
    assert run.card.temperature == 1
    assert "2 validation pictures are too few" in caplog.text
    assert run.card.metrics["val_ece"] == run.card.metrics["val_ece_uncalibrated"]
