"""Intervals of measured shares."""

import pytest

from kerascnn.errors import ConfigError
from kerascnn.metrics.significance import (
    beats_chance,
    binomial_tail,
    is_chance,
    mcnemar_exact,
    percent,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    # As R's binom::binom.wilson and scipy.stats.binomtest(...).proportion_ci("wilson") give them.
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (50, 100, 0.40383, 0.59617)],
)
def test_wilson_matches_published_values(right, total, low, high):
    interval = wilson_interval(right, total)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-5)


def test_wilson_matches_scipy():
    stats = pytest.importorskip("scipy.stats")
    for total in (1, 7, 400):
        for right in {0, 1, total // 2, total}:
            theirs = stats.binomtest(right, total).proportion_ci(0.9, "wilson")
            ours = wilson_interval(right, total, 0.9)
            assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_nothing_measured_means_nothing_known():
    interval = wilson_interval(0, 0)
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_impossible_counts_are_refused():
    with pytest.raises(ConfigError, match="5 right of 4"):
        wilson_interval(5, 4)


def test_the_binomial_test_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    for right, total, chance in [(0, 5, 0.2), (5, 5, 0.2), (8, 16, 0.25), (2_700, 10_000, 0.25)]:
        expected = stats.binomtest(right, total, chance, alternative="greater").pvalue
        assert binomial_tail(right, total, chance) == pytest.approx(expected, rel=1e-9)
    assert (binomial_tail(3, 4, 0.0), binomial_tail(3, 4, 1.0), binomial_tail(0, 0, 0.5)) == (
        0,
        1,
        1,
    )
    with pytest.raises(ConfigError, match="5 right of 4"):
        binomial_tail(5, 4, 0.5)


@pytest.mark.parametrize(
    ("right", "total", "chance", "said"),
    [(8, 16, 1 / 4, "beats"), (7, 16, 1 / 4, ""), (6, 16, 1 / 4, "chance"),
     (3, 3, 1 / 3, "beats"), (2, 3, 1 / 3, ""), (2, 2, 1 / 2, ""), (0, 2, 1 / 2, ""),
     (0, 4, 1 / 2, "chance"), (9, 9, 1.0, ""), (8, 9, 1.0, ""),
     (30_000, 60_000, 1 / 2, "chance"), (60_000, 60_000, 1 / 2, "beats")],
)  # fmt: skip
def test_chance_is_told_from_learning_and_from_too_few_pictures(right, total, chance, said):
    stats = pytest.importorskip("scipy.stats")
    assert beats_chance(right, total, chance) == (said == "beats")
    assert is_chance(right, total, chance) == (said == "chance")
    if chance < 1:
        better = stats.binomtest(right, total, chance, alternative="greater").pvalue
        worse = stats.binomtest(right, total, (1 + chance) / 2, alternative="less").pvalue
        told = "beats" if better < 0.05 else "chance" if worse < 0.05 else ""
        assert told == said


@pytest.mark.parametrize(
    ("right", "total", "told"),
    [(9_951, 10_000, "99.5%"), (9_999, 10_000, "over 99.9%"), (4, 10_000, "under 0.1%"),
     (0, 7, "0.0%"), (7, 7, "100.0%"), (34, 40, "85.0%")],
)  # fmt: skip
def test_nearly_all_is_not_written_as_all(right, total, told):
    assert percent(right / total) == told


def test_mcnemar_is_scipys_sign_test():
    stats = pytest.importorskip("scipy.stats")
    for a, b in [(0, 0), (0, 1), (1, 0), (5, 5), (9, 1), (30, 12), (200, 260), (1000, 1200)]:
        expected = stats.binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
        assert mcnemar_exact(a, b) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_very_many_pictures_neither_overflows_nor_lies():
    assert mcnemar_exact(5000, 5000) == 1.0
    assert 0 < mcnemar_exact(4000, 6000) < 1e-80
    assert mcnemar_exact(0, 5000) == 0.0  # 2 ** -4999: too small for a float
    with pytest.raises(ConfigError, match="-1 and 3"):
        mcnemar_exact(-1, 3)
