"""Metrics of the server for Prometheus.

Knows: names, labels and buckets, and cheap histograms. Does not know where values come from.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

STAGES = ("queue", "decode", "inference")
"""Stages of a request whose duration is measured."""

_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Histogram buckets in seconds, from a run of a small network to beyond the default timeout."""

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Histogram buckets of batch sizes: the sizes that the batcher forms."""


class Metrics:
    """Counters and histograms of one server.

    Attributes:
        requests: Requests by model (empty if none was named) and outcome.
        seconds: Duration of successful requests, by model.
        stages: The same split into ``queue``, ``decode`` and ``inference``.
        batches: Batch size of runs of the network, by model.
        run_seconds: Duration of runs of the network, by model.
        taken: Pictures accepted and not yet answered, by model.
        ready: 1 if a model is ready, else 0.
        info: 1 for each served model, with version, network, precision and provider as labels.
        reloads: Reloads by model and outcome, ``ok`` or ``failed``.
        reload_checks: Completed checks of all files for newer versions.
        body_bytes: Bytes of request bodies in memory.
        log_lines_lost: Dropped lines of the access log.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._writing: asyncio.Future[bytes] | None = None
        ProcessCollector(registry=self.registry)  # memory, processor time, open files (on Linux)
        self.requests = self._counter("requests", "Requests.", "model", "outcome")
        self.seconds = self._histogram("request_seconds", "Time to answer.", _SECONDS, "model")
        self.stages = self._histogram(
            "stage_seconds", "Time to answer, by stage.", _SECONDS, "model", "stage"
        )
        self.batches = self._histogram("batch_pictures", "Pictures in a run.", _SIZES, "model")
        self.run_seconds = self._histogram("run_seconds", "Time of a run.", _SECONDS, "model")
        self.taken = self._gauge("queue_pictures", "Pictures accepted, not yet answered.", "model")
        self.ready = self._gauge("model_ready", "Whether the model answers.", "model")
        self.info = self._gauge(
            "model_info", "What is served.", "model", "version", "network", "precision", "provider"
        )
        self.reloads = self._counter(
            "reloads", "Attempts to load a newer file.", "model", "outcome"
        )
        self.reload_checks = self._counter(
            "reload_checks", "Checks of all files for newer versions."
        )
        self.body_bytes = self._gauge("body_bytes", "Bytes of request bodies in memory.")
        # Cached, because looking up a label takes longer than counting.
        self._counters: dict[tuple[str, str], Counter] = {}
        self._times: dict[str, tuple[Observations, list[tuple[str, Observations]]]] = {}
        self.log_lines_lost = self._counter("log_lines_lost", "Dropped lines of the access log.")

    def count(self, model: str, outcome: str) -> None:
        """Count a request."""
        counter = self._counters.get((model, outcome))
        if counter is None:
            counter = self._counters[model, outcome] = self.requests.labels(model, outcome)
        counter.inc()

    def observe(self, model: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """Record the duration of a successful request and of its stages."""
        found = self._times.get(model)
        if found is None:
            stages = [(f"{stage}_ms", self.stages.labels(model, stage)) for stage in STAGES]
            found = self._times[model] = self.seconds.labels(model), stages
        whole, parts = found
        whole.observe(seconds)
        for key, part in parts:
            part.observe(facts[key] / 1000)

    async def page(self) -> bytes:
        """Return all metrics in Prometheus' text format.

        This blocks the event loop for milliseconds, so concurrent requests share one page.
        """
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write())
        return await asyncio.shield(self._writing)

    async def _write(self) -> bytes:
        self._writing = None  # later requests get a new page
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"kerascnn_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"kerascnn_{name}", text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, bounds: tuple[float, ...], *labels: str
    ) -> Histogram:
        histogram = Histogram(f"kerascnn_{name}", text, bounds, labels)
        self.registry.register(histogram)
        return histogram


class Histogram(Collector):
    """A histogram without locks, for the event loop only: observing takes a quarter of the time."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: tuple[str, ...]):
        self._name, self._text, self._bounds, self._labels = name, text, bounds, labels
        self._children: dict[tuple[str, ...], Observations] = {}

    def labels(self, *values: str) -> Observations:
        """Return the observations for these label values."""
        if values not in self._children:
            self._children[values] = Observations(self._bounds)
        return self._children[values]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Yield the metric family for the registry."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for values, seen in self._children.items():
            buckets = list(zip(names, accumulate(seen.counts), strict=True))
            family.add_metric(values, buckets, seen.sum)
        yield family


class Observations:
    """Observed values: the count of each bucket, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value
