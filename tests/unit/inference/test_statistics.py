"""Intervals of measured shares."""

import pytest

from kerascnn.errors import ConfigError
from kerascnn.inference.statistics import mcnemar_exact, wilson_interval


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
