"""Histograms that cost little to count in.

Knows: buckets, and how Prometheus' client library is told of them. Does not know what is counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Histogram(Collector):
    """A histogram on the event loop only: without locks, it counts in a quarter of the time.

    Args:
        name: Name.
        text: What it is, for people.
        bounds: Upper bounds of the buckets, in order.
        labels: Names of its labels.
    """

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: tuple[str, ...]):
        self._name, self._text, self._bounds, self._labels = name, text, bounds, labels
        self._children: dict[tuple[str, ...], Observations] = {}

    def labels(self, *values: str) -> Observations:
        """Return what is counted under the values of the labels."""
        return self._children.setdefault(values, Observations(self._bounds))

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Write it as the registry wants it."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for values, seen in self._children.items():
            buckets = list(zip(names, accumulate(seen.counts), strict=True))
            family.add_metric(values, buckets, seen.sum)
        yield family


class Observations:
    """Values that were observed: how many are in each bucket, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value
