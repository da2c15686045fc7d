"""OpenTelemetry tracing: a span per request, with child spans for queue, decode and inference.

Knows: OpenTelemetry's API and SDK, which are imported only if tracing is enabled. Endpoint,
sampling and service name are set by OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_TRACES_SAMPLER``, ``OTEL_SERVICE_NAME``). Does not know protocols.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kerascnn import __version__

if TYPE_CHECKING:
    from kerascnn.serving.request_log import RequestRecord

_ORDER = ("decode", "queue", "inference")
"""Stages in order; the last ends with the response."""

_FLUSH_SECONDS = 3.0
"""Time limit for sending the last spans, so that a missing collector does not delay the exit."""


class Tracer:
    """Creates spans.

    Args:
        processor: Span processor; None: exports in batches by OTLP over HTTP, in a thread.
    """

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        self._provider = TracerProvider(resource=_resource())
        self._provider.add_span_processor(processor or _exporting())
        self._tracer = self._provider.get_tracer("kerascnn.serving", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def trace(self, record: RequestRecord, outcome: str, seconds: float) -> str | None:
        """Create the spans of a finished request.

        Returns:
            The trace ID, 32 hexadecimal digits; None if tracing is disabled.
        """
        end = time.time_ns()
        context = self._propagator.extract(
            {"traceparent": record.traceparent, "tracestate": record.tracestate}
        )
        span = self._tracer.start_span(
            _name(record),
            context,
            trace.SpanKind.SERVER,
            _attributes(record, outcome),
            start_time=end - round(seconds * 1e9),
        )
        if isinstance(record.status, int) and record.status >= 500:
            span.set_status(trace.StatusCode.ERROR)
        self._stages(trace.set_span_in_context(span), record.facts, end)
        span.end(end)
        made = span.get_span_context()
        return trace.format_trace_id(made.trace_id) if made.is_valid else None

    def close(self) -> None:
        """Send the last spans, within a time limit."""
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(_FLUSH_SECONDS)

    def _stages(self, context: Any, facts: dict[str, Any], end: int) -> None:
        lengths = [round(facts.get(f"{stage}_ms", 0) * 1e6) for stage in _ORDER]
        if "pictures" not in facts:
            return
        begin = end - sum(lengths)
        for stage, length in zip(_ORDER, lengths, strict=True):
            child = self._tracer.start_span(stage, context, start_time=begin)
            begin += length
            child.end(begin)


def _resource() -> Resource:
    """Return the resource, named kerascnn unless OpenTelemetry's variables set a service name."""
    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "kerascnn"}))
    return resource


def _exporting() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


def _name(record: RequestRecord) -> str:
    """Name a span; unknown paths are left out, because their number is unlimited."""
    if record.method == "gRPC":
        return record.path.lstrip("/")
    return f"{record.method} {record.path}" if "model" in record.facts else record.method


def _attributes(record: RequestRecord, outcome: str) -> dict[str, Any]:
    if record.method == "gRPC":
        _, service, method = record.path.split("/")
        asked = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
    else:
        asked = {"http.request.method": record.method, "url.path": record.path[:200]}
    own = {name: record.facts[name] for name in ("model", "version", "pictures")
           if name in record.facts}  # fmt: skip
    return {
        **asked,
        "http.response.status_code": record.status,
        "client.address": record.client or "",
        "kerascnn.request_id": record.id,
        "kerascnn.outcome": outcome,
        **{f"kerascnn.{name}": value for name, value in own.items()},
    }
