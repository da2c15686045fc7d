"""How sure a measured share is, and whether two models really differ.

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
"""A p-value below it is called significant."""


@dataclass(frozen=True)
class Interval:
    """Where the true share lies, with a given confidence.

    Attributes:
        low: 0 to 1.
        high: 0 to 1, at least ``low``.
    """

    low: float
    high: float


def wilson_interval(right: float, total: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a share (Wilson 1927).

    It stays within 0 and 1 and is honest for shares near either, where the textbook's
    ``p ± 1.96 sqrt(p (1 - p) / n)`` is not.

    Args:
        right: How many of ``total`` were right, 0 to ``total``; the mean of several counts need not
            be whole.
        total: Total number.
        confidence: Between 0 and 1.

    Returns:
        The interval; 0 to 1 when there were none.

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
    # Rounding must not push the ends beyond what is possible.
    return Interval(
        0.0 if right == 0 else max(0.0, middle - half),
        1.0 if right == total else min(1.0, middle + half),
    )


def binomial_tail(right: int, total: int, chance: float) -> float:
    """Return the p-value of an exact one-sided binomial test.

    Args:
        right: How many of ``total`` were right, 0 to ``total``.
        total: How many there were, from 0.
        chance: Chance of being right by guessing, between 0 and 1.

    Returns:
        The chance that guessing gets so many right, or more.

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
    # In logarithms: the number of ways is too large for a float from about 1,000 pictures on.
    ways = math.lgamma(total + 1)
    terms = (
        ways - math.lgamma(n + 1) - math.lgamma(total - n + 1) + n * odds[0] + (total - n) * odds[1]
        for n in range(right, total + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def is_chance(right: int, total: int, chance: float) -> bool:
    """Return whether an accuracy is not significantly better than guessing.

    Returns:
        Whether guessing gets so many right in one of 20 tries, or more often. False where there are
        too few to tell: where all of them right would not be significant either.
    """
    return tells_from_chance(total, chance) and binomial_tail(right, total, chance) >= SIGNIFICANT


def tells_from_chance(total: int, chance: float) -> bool:
    """Return whether there are enough pictures for a perfect accuracy to be significant."""
    return chance**total < SIGNIFICANT


def percent(share: float) -> str:
    """Write a share in percent, and never round it to all or to none.

    Args:
        share: 0 to 1.

    Returns:
        E.g. ``85.0%``; ``over 99.9%`` for 9,999 of 10,000.

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

    Of two models that are equally good, each of the pictures that only one of them answers right
    is a toss of a coin. The p-value is the chance that coins fall as unevenly as this, or more.

    Args:
        only_a: Pictures that only the first model answers right, from 0.
        only_b: Pictures that only the second model answers right, from 0.

    Returns:
        Above 0 (or 0 where it is too small for a float) up to 1; 1 where there are none.

    Raises:
        ConfigError: A number below 0.

    Examples:
        >>> round(mcnemar_exact(9, 1), 4)
        0.0215
    """
    if only_a < 0 or only_b < 0:
        raise ConfigError(f"{only_a} and {only_b} pictures; expected none or more.")
    total, ways, tail = only_a + only_b, 1, 0
    # Whole numbers: nothing is lost, however small the chance.
    for count in range(min(only_a, only_b) + 1):
        tail += ways
        ways = ways * (total - count) // (count + 1)
    return min(1.0, 2 * tail / (1 << total))
