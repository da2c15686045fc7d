"""Scores of features, held to other ways of getting the same number."""

from __future__ import annotations

import numpy as np
import pytest

from kerascnn.training.linear.feature_svd import decompose
from kerascnn.training.linear.leave_one_out import (
    PENALTIES,
    probe,
    probe_with_views,
)


def made(count: int, features: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    centers = rng.normal(size=(3, features)) * apart
    found = centers[labels] + rng.normal(size=(count, features))
    return found.astype(np.float32), labels


@pytest.mark.parametrize("shape", [(40, 6), (24, 60)])
def test_the_probe_answers_as_classifiers_fitted_without_each_picture(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import Ridge

    monkeypatch.setattr("kerascnn.training.linear.leave_one_out.PENALTIES", PENALTIES[2:3])
    features, labels = made(*shape, 0.8)
    found = decompose(features)
    plain = (features - found.mean) / found.deviation
    targets = np.eye(3)[labels]
    expected = []
    for left in range(len(plain)):
        others = np.arange(len(plain)) != left
        ridge = Ridge(alpha=PENALTIES[2] * len(plain)).fit(plain[others], targets[others])
        expected.append(ridge.predict(plain[left : left + 1]).argmax())
    np.testing.assert_array_equal(probe(found, labels, 3), expected)


def test_the_score_rises_as_classes_move_apart() -> None:
    def right(apart: float) -> float:
        features, labels = made(90, 20, apart)
        return float((probe(decompose(features), labels, 3) == labels).mean())

    near, middle, far = right(0.0), right(0.25), right(0.45)
    assert near < 0.5 < 0.75 < far
    assert near < middle < far


def test_a_second_view_is_left_out_with_the_first() -> None:
    """Views that repeat the picture exactly must not tell its label."""
    features, labels = made(60, 40, 0.0)
    both = decompose(np.concatenate([features, features]))
    assert (probe_with_views(both, labels, 3) == labels).mean() < 0.55


def test_a_stage_that_says_the_same_of_every_picture_scores_as_guessing() -> None:
    features, labels = made(30, 6, 3.0)
    dead = decompose(np.zeros_like(features))
    assert (probe(dead, labels, 3) == labels).mean() < 0.5
