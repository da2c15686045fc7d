"""Logistic regression, held to scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from kerascnn.training.trainer import logistic_regression
from kerascnn.training.trainer.logistic_regression import PENALTIES, fit_logistic_regression


def made(count: int, features: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    found = rng.normal(size=(3, features))[labels] + noise * rng.normal(size=(count, features))
    scales = np.geomspace(0.1, 1000, features)
    return (found * scales + scales).astype(np.float32), labels


@pytest.mark.parametrize("shape", [(60, 8), (30, 50)])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_solution_is_that_of_scikit_learn(
    shape: tuple[int, int], balanced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logistic_regression, "PENALTIES", (0.1,))
    monkeypatch.setattr(logistic_regression, "PRECISE", 1e-8)
    features, labels = made(*shape, 3)
    weights = np.where(labels == 1, 5.0, 1.0) if balanced else np.ones(len(labels))
    found = fit_logistic_regression(features, labels, np.eye(3)[labels], weights, 0)
    scaler = StandardScaler().fit(features)
    theirs = LogisticRegression(C=1 / (0.1 * shape[1]), tol=1e-8, max_iter=10_000)
    theirs.fit(scaler.transform(features), labels, weights)
    expected = theirs.predict_proba(scaler.transform(features))
    logits = features @ found.kernel + found.bias
    shares = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(shares / shares.sum(1, keepdims=True), expected, atol=2e-3)


def test_noise_takes_a_stronger_penalty_and_what_is_left_out_is_counted() -> None:
    weights = np.ones(60)
    clear, labels = made(60, 40, 0.1)
    easy = fit_logistic_regression(clear, labels, np.eye(3)[labels], weights, 0)
    noisy, _ = made(60, 40, 30)
    hard = fit_logistic_regression(noisy, labels, np.eye(3)[labels], weights, 0)
    assert hard.penalty > easy.penalty
    assert easy.top1 == 1
    assert hard.top1 < 0.6  # though the fit itself is right on more of them
    assert ((noisy @ hard.kernel + hard.bias).argmax(1) == labels).mean() > hard.top1


def test_it_is_repeated_to_the_bit() -> None:
    features, labels = made(50, 20, 5)
    one, other = (
        fit_logistic_regression(features, labels, np.eye(3)[labels], np.ones(50), 4)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.kernel, other.kernel)
    assert (one.penalty, one.top1) == (other.penalty, other.top1)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_fewer_pictures_than_folds_and_features_that_never_change(count: int) -> None:
    features, labels = made(count, 5, 0.1)
    features[:, 2] = 7
    found = fit_logistic_regression(features, labels, np.eye(3)[labels], np.ones(count), 0)
    assert np.isfinite(found.kernel).all() and np.isfinite(found.bias).all()
    assert found.penalty in PENALTIES
    assert ((features @ found.kernel + found.bias).argmax(1) == labels).all()


def test_large_sets_choose_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic_regression, "SAMPLE", 30)
    seen = []
    real = logistic_regression.decompose

    def noting(features: np.ndarray) -> object:
        seen.append(len(features))
        return real(features)

    monkeypatch.setattr(logistic_regression, "decompose", noting)
    features, labels = made(90, 10, 1)
    fit_logistic_regression(features, labels, np.eye(3)[labels], np.ones(90), 0)
    assert seen == [30, 90]
