"""Seen from outside: readiness, metrics, log, token, origins, and mistakes at the start."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import fields

import pytest

from kerascnn.errors import ConfigError
from kerascnn.serving import ServeConfig, serve

from .conftest import encoded, http, wait_for

pytest.importorskip("prometheus_client", reason="needs the extra serve")
from prometheus_client import generate_latest

from kerascnn.serving.metrics import Metrics


def test_options_are_those_of_the_configuration():
    from kerascnn.cli.foreign import FOREIGN
    from kerascnn.cli.serve import command

    foreign = set(FOREIGN)
    names = {option.name for option in command.params} - {"debug", "config", "lang"}
    assert names - foreign == {one.name for one in fields(ServeConfig) if one.init} - {"foreign"}
    assert foreign < names
    defaults = ServeConfig(models=("a.onnx",))
    unset = {
        "models",
        "debug",
        "lang",
        "config",
        "cors",
        "threads",
        "token_file",
        "tls_cert",
        "tls_key",
    }
    unset |= {"grpc_port"}
    for option in command.params:
        if option.name not in unset | foreign:
            assert option.default == getattr(defaults, option.name)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"models": ()}, "at least one"),
        ({"models": ("a/x.onnx", "b/x.onnx")}, "two models are called x"),
        ({"port": 70_000}, "port"),
        ({"max_batch": 0}, "max_batch"),
        ({"max_queue": 3}, "max_queue"),
        ({"timeout": 0}, "timeout"),
        ({"max_body_mb": float("nan")}, "max_body_mb"),
        ({"cors": ("example.org",)}, "cors"),
    ],
)
def test_options_that_cannot_be_used(options, reason):
    with pytest.raises(ConfigError, match=reason):
        ServeConfig(**{"models": ("a.onnx",)} | options)


@pytest.mark.slow
def test_mistakes_at_the_start_are_one_line(kerascnn, exported, tmp_path, server):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(exported.read_bytes()[:-1000])
    empty = tmp_path / "token"
    empty.write_text("\n")
    for arguments, code in (
        ([tmp_path / "none.onnx"], 1),
        ([broken], 1),
        ([exported, "--port", server.port], 2),
        ([exported, "--host", "203.0.113.1"], 2),  # an address for documentation, of no machine
        ([exported, "--port", "0", "--token-file", empty], 2),
        ([exported, "--port", "0", "--token-file", tmp_path / "none"], 2),
    ):
        done = kerascnn("serve", *arguments, text=True)
        assert done.returncode == code, done.stderr
        assert done.stderr.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in done.stderr


def test_a_host_that_is_not_found_is_named(exported, monkeypatch):
    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError, match=r"'no\.such\.host' .*name or an address"):
        serve(ServeConfig(models=(str(exported),), host="no.such.host"))


def test_a_name_of_two_lines_is_told_in_one(serving, exported, tmp_path):
    file = tmp_path / "a\nb\x1b[31m.onnx"
    shutil.copy(exported, file)
    with serving(file) as server:  # reads the address from the first line
        assert http.get(f"{server.url}/v2/models").json() == {"models": [file.stem]}


def test_a_model_that_does_not_load_ends_the_server(kerascnn, exported, tmp_path):
    content = bytearray(exported.read_bytes())
    middle = len(content) // 2  # weights that are other weights: the probes notice
    content[middle : middle + 4000] = bytes(4000)
    (tmp_path / "other.onnx").write_bytes(content)
    done = kerascnn("serve", tmp_path / "other.onnx", "--port", "0", text=True)
    assert done.returncode == 1
    assert "a probability differs" in done.stderr


def test_alive_before_it_is_ready(serving, exported):
    with serving(exported, hold="run", shut=True) as server:
        assert http.get(f"{server.url}/v2/health/live").json() == {"live": True}
        first = http.get(f"{server.url}/v2/health/ready")
        assert (first.status_code, first.json()) == (503, {"ready": False})
        early = http.post(f"{server.url}/v1/models/{exported.stem}/predict", content=b"x")
        assert early.status_code == 503
        assert early.headers["Retry-After"] == "1"
        server.gate.open()
        wait_for(lambda: http.get(f"{server.url}/v2/health/ready").status_code == 200)
        assert server.stop() == 0


def test_metrics(server, exported, pictures):
    name = exported.stem
    before = server.metric("requests_total", model=name, outcome="ok")
    for _ in range(3):
        http.post(f"{server.url}/predict", content=encoded(pictures[0]))
    http.post(f"{server.url}/predict", content=b"no picture")
    wait_for(lambda: server.metric("requests_total", model=name, outcome="ok") == before + 3)
    wait_for(lambda: server.metric("requests_total", model=name, outcome="bad_request") >= 1)
    wait_for(lambda: server.metric("model_info", model=name, network="cnn", provider="cpu") == 1)
    wait_for(lambda: server.metric("model_ready", model=name) == 1)
    wait_for(lambda: server.metric("queue_pictures", model=name) == 0)
    wait_for(lambda: server.metric("batch_pictures_sum", model=name) >= 3)
    whole = server.metric("request_seconds_sum", model=name)
    stages = [
        server.metric("stage_seconds_sum", model=name, stage=stage)
        for stage in ("queue", "decode", "inference")
    ]
    assert all(seconds > 0 for seconds in stages)
    assert sum(stages) <= whole


def test_the_access_log(server, exported, pictures):
    mine = {"X-Request-ID": "my-request.1"}
    answer = http.post(f"{server.url}/predict", content=encoded(pictures[0]), headers=mine)
    assert answer.headers["X-Request-ID"] == "my-request.1"
    forged = http.get(f"{server.url}/%0a%22forged", headers={"X-Request-ID": "a b"})
    assert forged.headers["X-Request-ID"] != "a b"
    wait_for(lambda: len(server.log()) > 2 and "forged" in server.log()[-1]["path"])
    line = next(line for line in server.log() if line["request_id"] == "my-request.1")
    assert line["status"] == 200
    assert line["outcome"] == "ok"
    assert line["model"] == exported.stem
    assert line["pictures"] == 1
    assert line["ms"] >= line["inference_ms"] > 0


def test_the_token(serving, exported, tmp_path, pictures):
    file = tmp_path / "token"
    file.write_text("s3cret-token\n")
    with serving(exported, "--token-file", file) as server:
        content = encoded(pictures[0])
        for value in (None, "", "Bearer", "Bearer wrong", "Bearer s3cret-token2", "s3cret-token",
                      "Basic s3cret-token", "bearers3cret-token"):  # fmt: skip
            headers = {} if value is None else {"Authorization": value}
            for method, path in (
                ("POST", "/predict"), ("GET", "/metrics"), ("GET", "/v2/models"),
                ("POST", f"/v2/models/{exported.stem}/infer"), ("GET", "/nowhere"),
            ):  # fmt: skip
                refused = http.request(
                    method, f"{server.url}{path}", headers=headers, content=content
                )
                assert refused.status_code == 401
                assert refused.headers["WWW-Authenticate"] == "Bearer"
                assert refused.json()["error"]
        for scheme in ("Bearer", "bearer", "BEARER"):  # it has no case (RFC 9110)
            good = {"Authorization": f"{scheme} s3cret-token"}
            answer = http.post(f"{server.url}/predict", content=content, headers=good)
            assert answer.status_code == 200
        for path in ("/", "/page/page.js", "/v2/health/live", "/openapi.json"):
            assert http.get(f"{server.url}{path}").status_code == 200


def test_origins(server, serving, exported):
    ask = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in http.get(f"{server.url}/v2", headers=ask).headers
    assert http.request("OPTIONS", f"{server.url}/predict", headers=ask).status_code == 405
    with serving(exported, "--cors", "HTTPS://Example.org:443") as open_server:
        url = f"{open_server.url}/predict"
        needed = {"Access-Control-Request-Headers": "content-type, traceparent, tracestate"}
        allowed = http.request("OPTIONS", url, headers=ask | needed)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://example.org"
        refused = http.post(url, content=b"x", headers=ask)  # errors can be read, too
        assert refused.status_code == 422
        assert refused.headers["access-control-allow-origin"] == "https://example.org"
        other = http.get(url, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_log_that_nobody_reads_stops_nobody(exported, environment, pictures):
    command = [sys.executable, "-m", "kerascnn", "serve", str(exported), "--port", "0"]
    buffered = environment | {"PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        command, env=buffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            url = process.stderr.readline().split()[-1]
            process.stdout.close()
            wait_for(lambda: http.get(f"{url}/v2/health/ready").status_code == 200)
            nothing_lost = "kerascnn_log_lines_lost_total 0.0"
            wait_for(lambda: nothing_lost not in http.get(f"{url}/metrics").text)
            for _ in range(5):
                assert http.post(f"{url}/predict", content=encoded(pictures[0])).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(100) == 0
        finally:
            process.kill()


def test_openapi_names_the_models(server, exported):
    document = http.get(f"{server.url}/openapi.json").json()
    assert json.dumps(exported.stem) in json.dumps(document)
    assert document["openapi"].startswith("3.1")


def test_those_who_ask_for_metrics_at_once_get_one_page(monkeypatch):
    pages = []

    def write(registry):
        pages.append(generate_latest(registry))
        return pages[-1]

    monkeypatch.setattr("kerascnn.serving.metrics.generate_latest", write)
    metrics = Metrics()

    async def ask():
        metrics.reload_checks.inc()
        return await metrics.page()

    async def main():
        gone = asyncio.ensure_future(ask())
        several = asyncio.gather(*(ask() for _ in range(50)))
        await asyncio.sleep(0)
        gone.cancel()  # the others get theirs all the same
        return await several, await ask()

    first, second = asyncio.run(main())
    assert len(pages) == 2
    assert set(first) == {pages[0]}
    for page, count in ((pages[0], 51), (second, 52)):
        assert f"kerascnn_reload_checks_total {count}.0".encode() in page
