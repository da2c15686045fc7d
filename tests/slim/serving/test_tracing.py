"""OpenTelemetry: a span a request, and nothing of it where nobody asked."""

import json
import subprocess
import sys

import pytest

from kerascnn.errors import ConfigError, MissingExtraError
from kerascnn.serving import ServeConfig, serve
from kerascnn.serving.metrics import Metrics
from kerascnn.serving.request_log import RequestLog, RequestRecord

from .asking import asked, finished
from .conftest import encoded

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_request_is_a_span_with_its_stages(exported, pictures):
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from kerascnn.serving.tracing import Tracer

    exporter, lines = InMemorySpanExporter(), []
    tracer = Tracer(SimpleSpanProcessor(exporter))
    config = ServeConfig((str(exported),), provider="cpu", timeout=1000)

    async def main():
        async with asked(config, tracer=tracer, write_log=lines.append) as (client, _):
            url = f"/v1/models/{exported.stem}/predict"
            for content, headers in (
                (encoded(pictures[0]), {"traceparent": PARENT, "tracestate": "vendor=x"}),
                (encoded(pictures[0]), {"traceparent": "garbage"}), (b"no picture", {}),
            ):  # fmt: skip
                await client.post(url, content=content, headers=headers)
            await client.get("/nowhere/7")

    finished(main())
    spans = exporter.get_finished_spans()
    first = spans[:4]
    assert [span.name for span in first] == [
        "decode", "queue", "inference", f"POST /v1/models/{exported.stem}/predict",
    ]  # fmt: skip
    *stages, whole = first
    assert f"{whole.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{whole.parent.span_id:016x}" == PARENT.split("-")[2]
    assert whole.context.trace_state.to_header() == "vendor=x"
    for stage in stages:
        assert stage.parent.span_id == whole.context.span_id
        assert whole.start_time <= stage.start_time <= stage.end_time <= whole.end_time
    assert whole.attributes["kerascnn.pictures"] == 1
    assert whole.attributes["http.response.status_code"] == 200
    assert whole.resource.attributes["service.name"] == "kerascnn"
    roots = [span for span in spans[4:] if span.kind.name == "SERVER"]
    assert [span.parent for span in roots] == [None] * 3
    codes = [span.attributes["http.response.status_code"] for span in roots]
    assert (codes, roots[2].name) == ([200, 422, 404], "GET")
    ids = [json.loads(line)["trace_id"] for line in lines]
    assert ids == [f"{span.context.trace_id:032x}" for span in (whole, *roots)]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "kerascnn"),
        ({"OTEL_SERVICE_NAME": "flowers"}, "flowers"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=birds,a=b"}, "birds"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b"}, "kerascnn"),
    ],
)
def test_the_name_of_the_service_is_as_the_variables_say(monkeypatch, variables, expected):
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from kerascnn.serving.tracing import Tracer

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    exporter = InMemorySpanExporter()
    trace = Tracer(SimpleSpanProcessor(exporter)).trace
    assert len(trace(RequestRecord(None, "GET", "/", "1"), "ok", 0.1)) == 32
    (span,) = exporter.get_finished_spans()
    assert span.resource.attributes["service.name"] == expected


def test_switched_off_there_is_no_trace_id(monkeypatch):
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    from kerascnn.serving.tracing import Tracer

    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracer, record, lines = Tracer(), RequestRecord(None, "GET", "/", "1"), []
    RequestLog(Metrics(), lines.append, tracer).record(record, "ok")
    tracer.close()
    assert "trace_id" not in json.loads(lines[0])


def test_variables_that_opentelemetry_refuses(exported, monkeypatch):
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-3")
    with pytest.raises(ConfigError, match="max_queue_size"):
        serve(ServeConfig((str(exported),), port=0, traces=True))


def test_nothing_is_imported_where_nobody_asked(exported, environment):
    program = (
        "import sys; from kerascnn.serving import ServeConfig, create_app, serve\n"
        "create_app(ServeConfig((sys.argv[1],)))\n"
        "sys.exit(any(name.startswith(('opentelemetry', 'grpc', 'google.protobuf', 'yaml'))"
        " for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(exported)], env=environment)
    assert done.returncode == 0


def test_without_the_extra(exported, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "kerascnn.serving.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kerascnn\[otel\]'"):
        serve(ServeConfig((str(exported),), port=0, traces=True))
