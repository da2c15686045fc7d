"""What Prometheus sees of the server.

Knows: names, labels and buckets. Does not know who counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    generate_latest,
)

from kerascnn.serving.histogram import Histogram, Observations

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

STAGES = ("queue", "decode", "inference")
"""Parts of a request whose seconds are counted."""

_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Histogram buckets from a small network's run to beyond the default --timeout of 10 s."""

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Histogram buckets of batch sizes: the sizes that the batcher forms."""


class Metrics:
    """Counters and histograms of one server.

    Attributes:
        requests: Requests by model (empty: none of ours) and outcome.
        seconds: Time of requests that were answered, by model.
        stages: The same split into ``queue``, ``decode`` and ``inference``.
        batches: Size of runs of the network, by model.
        run_seconds: Time of runs of the network, by model.
        taken: Pictures taken and not yet answered, by model.
        ready: 1 when a model answers, else 0.
        info: 1 for what is served, with version, network, precision and provider as labels.
        reloads: Reloads by model and outcome, ``ok`` or ``failed``.
        reload_checks: Times that all files were looked at, and newer ones dealt with.
        body_bytes: Body bytes of requests, in memory now.
        log_lines_lost: Lines of the access log that nobody took in time.
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
        self.taken = self._gauge("queue_pictures", "Pictures taken, not yet answered.", "model")
        self.ready = self._gauge("model_ready", "Whether the model answers.", "model")
        self.info = self._gauge(
            "model_info", "What is served.", "model", "version", "network", "precision", "provider"
        )
        self.reloads = self._counter("reloads", "Newer files tried.", "model", "outcome")
        self.reload_checks = self._counter("reload_checks", "Looks at all files for newer ones.")
        self.body_bytes = self._gauge("body_bytes", "Bodies of requests in memory, in bytes.")
        # Looking up a label takes longer than counting.
        self._counters: dict[tuple[str, str], Counter] = {}
        self._times: dict[str, tuple[Observations, list[tuple[str, Observations]]]] = {}
        self.log_lines_lost = self._counter("log_lines_lost", "Lines of the access log lost.")

    def count(self, model: str, outcome: str) -> None:
        """Count a request."""
        counter = self._counters.get((model, outcome))
        if counter is None:
            counter = self._counters[model, outcome] = self.requests.labels(model, outcome)
        counter.inc()

    def observe(self, model: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """Note how long an answer took."""
        found = self._times.get(model)
        if found is None:
            stages = [(f"{stage}_ms", self.stages.labels(model, stage)) for stage in STAGES]
            found = self._times[model] = self.seconds.labels(model), stages
        whole, parts = found
        whole.observe(seconds)
        for key, part in parts:
            part.observe(facts[key] / 1000)

    async def page(self) -> bytes:
        """Write all as Prometheus reads it.

        It takes milliseconds, and keeps others waiting; so those who ask at the same time get the
        same page.
        """
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write())
        return await asyncio.shield(self._writing)

    async def _write(self) -> bytes:
        self._writing = None  # who asks from now on gets the next page
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
