"""Our histograms say what those of Prometheus' own library say."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from kerascnn.serving import metrics

BOUNDS = (0.0005, 0.25, 1, 10.0)
SEEN = [("rose", 0.25), ("rose", 0.2500001), ("rose", 0.0), ("rose", 11.0), ('"\n\\', 1.0)]


def _samples(registry: CollectorRegistry) -> list[Sample]:
    (family,) = (
        family
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        if family.type == "histogram"
    )
    return family.samples


def test_it_says_what_the_library_says() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = metrics.Histogram("seconds", "Time.", BOUNDS, ("model",))
    ours.register(mine)
    library = Histogram("seconds", "Time.", ["model"], buckets=BOUNDS, registry=theirs)
    for model, value in SEEN:
        mine.labels(model).observe(value)
        library.labels(model).observe(value)
    assert _samples(ours) == _samples(theirs)


def test_nothing_was_observed_yet() -> None:
    registry = CollectorRegistry()
    registry.register(metrics.Histogram("seconds", "Time.", BOUNDS, ("model",)))
    assert not _samples(registry)
