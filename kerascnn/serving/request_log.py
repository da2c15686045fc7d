"""Records each request in metrics, access log and trace.

Knows: what is counted and logged. Does not know the protocol of a request.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kerascnn.printable import printable_json
from kerascnn.serving.metrics import Metrics

if TYPE_CHECKING:
    from kerascnn.serving.tracing import Tracer

_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
"""Valid request IDs from clients; others could forge or flood log lines."""


@dataclass
class RequestRecord:
    """One request.

    Attributes:
        method: HTTP method, or ``gRPC``.
        traceparent: Parent span (W3C Trace Context); empty: the trace starts here.
        sent: Bytes of the response body.
        facts: Further log fields from handlers.
        began: Start time, by ``time.perf_counter``.
    """

    client: str | None
    method: str
    path: str
    id: str
    traceparent: str = ""
    tracestate: str = ""
    status: int | str = 500
    sent: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)


def request_id(given: bytes) -> str:
    """Return the client's request ID, or a new one (not secret, so without a system call)."""
    return given.decode() if _ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


class RequestLog:
    """Writes request records to metrics, access log and trace."""

    def __init__(
        self,
        metrics: Metrics,
        write_log: Callable[[str], object] | None,
        tracer: Tracer | None = None,
    ) -> None:
        self._metrics, self._write_log, self._tracer = metrics, write_log, tracer

    def record(self, record: RequestRecord, outcome: str) -> None:
        """Count a finished request, and log it."""
        seconds = time.perf_counter() - record.began
        facts = record.facts
        model = facts.get("model", "")
        self._metrics.count(model, outcome)
        if model and outcome == "ok" and "pictures" in facts:
            self._metrics.observe(model, seconds, facts)
        if self._tracer is not None and (trace := self._tracer.trace(record, outcome, seconds)):
            facts["trace_id"] = trace
        if self._write_log is not None:
            self._write_log(_line(record, outcome, seconds))


def _line(record: RequestRecord, outcome: str, seconds: float) -> str:
    values = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "request_id": record.id,
        "client": record.client,
        "method": record.method,
        "path": record.path[:200],
        "status": record.status,
        "outcome": outcome,
        "ms": round(seconds * 1000, 2),
        "bytes_out": record.sent,
        **record.facts,
    }
    return printable_json(json.dumps(values, ensure_ascii=False))
