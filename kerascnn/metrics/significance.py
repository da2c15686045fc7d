"""Confidence intervals of accuracy, and significance tests.

Knows: Wilson's interval, the exact binomial test, McNemar's exact test. Does not know models,
pictures or classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from kerascnn.errors import ConfigError
from kerascnn.language import tr

SIGNIFICANT = 0.05
"""p-value below which a result is significant."""


@dataclass(frozen=True)
class Interval:
    """Confidence interval of a proportion.

    Attributes:
        low: 0 to 1.
        high: 0 to 1, at least ``low``.
    """

    low: float
    high: float


def wilson_interval(right: float, total: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a proportion (Wilson 1927).

    It stays within 0 and 1 and is accurate for proportions near either, where the textbook's
    ``p ± 1.96 sqrt(p (1 - p) / n)`` is not.

    Args:
        right: Number of correct predictions, 0 to ``total``; may be a mean of several counts.
        total: Total number.
        confidence: Between 0 and 1.

    Returns:
        The interval; 0 to 1 if ``total`` is 0.

    Raises:
        ConfigError: A number outside its range.

    Examples:
        >>> interval = wilson_interval(90, 100)
        >>> round(interval.low, 3), round(interval.high, 3)
        (0.826, 0.945)
    """
    if not 0 <= right <= total or not 0 < confidence < 1:
        raise ConfigError(
            f"{right} right of {total} at confidence {confidence}; expected 0 <= right <= total "
            "and a confidence between 0 and 1."
        )
    if not total:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = right / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    # Rounding must not push the bounds beyond 0 and 1.
    return Interval(
        0.0 if right == 0 else max(0.0, middle - half),
        1.0 if right == total else min(1.0, middle + half),
    )


def binomial_tail(right: int, total: int, chance: float) -> float:
    """Return the p-value of an exact one-sided binomial test.

    Args:
        right: Number of correct predictions, 0 to ``total``.
        total: Total number, at least 0.
        chance: Probability of a correct guess, 0 to 1.

    Returns:
        The probability that guessing gets at least ``right`` correct.

    Raises:
        ConfigError: A number outside its range.

    Examples:
        >>> round(binomial_tail(8, 16, 0.25), 4)
        0.0271
    """
    if not 0 <= right <= total or not 0 <= chance <= 1:
        raise ConfigError(
            f"{right} right of {total} by a chance of {chance}; expected 0 <= right <= total and a "
            "chance from 0 to 1."
        )
    if right == 0 or chance == 1:
        return 1.0
    if chance == 0:
        return 0.0
    odds = math.log(chance), math.log1p(-chance)
    # In logarithms, because binomial coefficients overflow a float from about 1,000 pictures on.
    ways = math.lgamma(total + 1)
    terms = (
        ways - math.lgamma(n + 1) - math.lgamma(total - n + 1) + n * odds[0] + (total - n) * odds[1]
        for n in range(right, total + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def beats_chance(right: int, total: int, chance: float) -> bool:
    """Return whether an accuracy is significantly better than guessing."""
    return binomial_tail(right, total, chance) < SIGNIFICANT


def is_worse(right: int, total: int, share: float) -> bool:
    """Return whether an accuracy is significantly below a share, 0 to 1."""
    return right < total and 1 - binomial_tail(right + 1, total, share) < SIGNIFICANT


def is_chance(right: int, total: int, chance: float) -> bool:
    """Return whether an accuracy shows that a model is no better than guessing.

    Returns:
        Whether it is not significantly better than guessing, and significantly worse than halfway
        between guessing and perfect. If it is neither, there are too few pictures to tell: with
        three classes, 2 of 3 prove neither that the model has learned nor that it has not.

    Examples:
        >>> is_chance(25, 100, 0.25), is_chance(2, 3, 1 / 3)
        (True, False)
    """
    if beats_chance(right, total, chance) or chance == 1:
        return False
    return is_worse(right, total, (1 + chance) / 2)


def percent(share: float) -> str:
    """Format a share, 0 to 1, in percent, never rounded to 0 or 100 %.

    Examples:
        >>> percent(0.9999), percent(0.0001), percent(0.85), percent(1.0)
        ('over 99.9%', 'under 0.1%', '85.0%', '100.0%')
    """
    written = f"{share:.1%}"
    if share < 1 and written == "100.0%":
        return tr("over {share}", share="99.9%")
    if share > 0 and written == "0.0%":
        return tr("under {share}", share="0.1%")
    return written


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (McNemar 1947).

    For two equally good models, each picture that only one of them classifies correctly is a coin
    toss. The p-value is the chance of tosses at least as uneven as these.

    Returns:
        From 0 (only if too small for a float) to 1; 1 if there are no such pictures.

    Examples:
        >>> round(mcnemar_exact(9, 1), 4)
        0.0215

    Raises:
        ConfigError: A number below 0.
    """
    if only_a < 0 or only_b < 0:
        raise ConfigError(f"{only_a} and {only_b} pictures; expected none or more.")
    total, ways, tail = only_a + only_b, 1, 0
    # In integers, which are exact however small the chance.
    for count in range(min(only_a, only_b) + 1):
        tail += ways
        ways = ways * (total - count) // (count + 1)
    return min(1.0, 2 * tail / (1 << total))
