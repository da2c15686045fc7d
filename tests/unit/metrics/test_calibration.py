"""Calibration error by hand, and what a temperature does."""

import numpy as np
import pytest

from kerascnn.metrics.calibration import BINS, cross_entropy, reliability, row_slices, softmax
from kerascnn.metrics.classification import evaluate_predictions
from kerascnn.metrics.outputs import Predictions


def logits_of(*confidences: float) -> np.ndarray:
    """Give logits of two classes whose top-1 prediction, class 0, has these probabilities."""
    return np.log([[c, 1 - c] for c in confidences]).astype(np.float32)


def test_the_error_worked_out_by_hand():
    """Ten answers of confidence 0.9, seven right; ten of 0.6, eight right."""
    logits = logits_of(*[0.9] * 10, *[0.6] * 10)
    labels = np.array([0] * 7 + [1] * 3 + [0] * 8 + [1] * 2)
    found = reliability(logits, labels)
    assert found.ece == pytest.approx((10 * 0.2 + 10 * 0.2) / 20, abs=1e-6)
    low, high = found.bins
    assert (low.images, low.accuracy, high.images, high.accuracy) == (10, 0.8, 10, 0.7)
    assert low.confidence == pytest.approx(0.6)
    assert high.confidence == pytest.approx(0.9)
    for one in found.bins:
        assert one.low < one.confidence <= one.high
        assert one.high - one.low == pytest.approx(1 / BINS)


def test_full_confidence_has_a_bin():
    found = reliability(np.array([[100.0, 0.0]], np.float32), np.array([0]))
    assert [(one.high, one.images) for one in found.bins] == [(1.0, 1)]
    assert found.ece == 0


def test_bins_hold_every_answer_once():
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (1000, 7)).astype(np.float32)
    labels = random.integers(0, 7, 1000)
    found = reliability(logits, labels, 1.7)
    assert sum(one.images for one in found.bins) == 1000
    assert found.temperature == 1.7
    total = sum(one.accuracy * one.images for one in found.bins)
    assert total == pytest.approx((logits.argmax(1) == labels).sum())


def test_softmax_and_cross_entropy_are_those_of_scipy():
    special = pytest.importorskip("scipy.special")
    logits = np.random.default_rng(1).normal(0, 300, (50, 4)).astype(np.float32)
    labels = np.arange(50) % 4
    for temperature in (0.5, 1.0, 3.0):
        scaled = logits.astype(np.float64) / temperature
        np.testing.assert_allclose(
            softmax(logits, temperature), special.softmax(scaled, axis=1), atol=1e-12
        )
        expected = -special.log_softmax(scaled, axis=1)[np.arange(50), labels].mean()
        assert cross_entropy(logits, labels, temperature) == pytest.approx(expected, rel=1e-9)


def test_many_pictures_are_worked_on_in_parts_with_the_same_bits(monkeypatch):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 7)).astype(np.float32), rng.integers(0, 7, 50)

    def all_of_it():
        answers = Predictions(logits, labels, tuple("abcdefg"), temperature=1.3)
        return evaluate_predictions(answers), answers.probabilities, answers.ranked

    whole = all_of_it()
    monkeypatch.setattr("kerascnn.metrics.calibration._AT_ONCE", 7 * 21)
    assert len(list(row_slices(logits))) == 3
    for part, expected in zip(all_of_it(), whole, strict=True):
        assert np.array_equal(part, expected)
