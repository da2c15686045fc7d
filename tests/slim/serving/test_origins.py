"""By which names it is called, which pages may use it, and where it listens."""

import json
import socket
from pathlib import Path

import pytest

from kerascnn.errors import ConfigError
from kerascnn.serving import ServeConfig
from kerascnn.serving.http.body import parse_length
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.origins import OriginPolicy, names_of

from .conftest import encoded, exchange, http, wait_for


def status(origins: OriginPolicy, method: str = "GET", **headers: str) -> int:
    given = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
    try:
        origins.check(method, given)
    except HttpError as refusal:
        return refusal.status
    return 200


@pytest.mark.parametrize(
    ("listens", "allowed", "host", "expected"),
    [
        ("127.0.0.1", (), "127.0.0.1:8000", 200),
        ("127.0.0.1", (), "localhost", 200),
        ("127.0.0.1", (), "LOCALHOST:8000", 200),
        ("127.0.0.1", (), "a.localhost:8000", 200),
        ("127.0.0.1", (), "[::1]:8000", 200),
        ("127.0.0.1", (), "kerascnn:8000", 200),
        ("127.0.0.1", (), "", 200),  # HTTP/1.0
        ("127.0.0.1", (), "evil.example", 421),
        ("127.0.0.1", (), "evil.example:8000", 421),
        ("127.0.0.1", (), "EVIL.EXAMPLE.", 421),
        ("127.0.0.1", (), "127.0.0.1.evil.example", 421),
        ("127.0.0.1", (), "localhost.evil.example", 421),
        ("127.0.0.1", (), "evil.example@localhost", 421),
        ("127.0.0.1", (), "localhost:80:90", 421),
        ("127.0.0.1", (), "[::1]evil.example", 421),
        ("0.0.0.0", (), "192.168.1.7:8000", 200),
        ("0.0.0.0", (), socket.gethostname(), 200),
        ("0.0.0.0", (), "evil.example", 421),
        ("::", (), "[fe80::1]:80", 200),
        ("models.example.org", (), "models.example.org:8000", 200),
        ("127.0.0.1", ("models.example.org",), "Models.Example.org", 200),
        ("127.0.0.1", ("models.example.org",), "a.models.example.org", 421),
        ("127.0.0.1", ("*.example.org",), "a.b.example.org:1", 200),
        ("127.0.0.1", ("*.example.org",), "evilexample.org", 421),
        ("127.0.0.1", ("*",), "anything.example", 200),
        ("127.0.0.1", (), "[fe80::1%eth0]:80", 200),
        ("127.0.0.1", (), "[fe80::1%]", 421),
        ("127.0.0.1", ("Bücher.example",), "xn--bcher-kva.example:80", 200),
        ("127.0.0.1", ("*.bücher.example",), "a.XN--bcher-kva.example", 200),
        ("127.0.0.1", ("bücher.example",), "bucher.example", 421),
        ("bücher.example", (), "xn--bcher-kva.example", 200),
    ],
)
def test_names(listens, allowed, host, expected):
    assert status(OriginPolicy(allowed or names_of(listens), ()), host=host) == expected


ABROAD = {"origin": "https://evil.example"}


@pytest.mark.parametrize(
    ("cors", "headers", "expected"),
    [
        ((), {}, 200),
        ((), {"origin": "http://127.0.0.1:8000"}, 200),
        ((), ABROAD, 403),
        ((), {"origin": "null"}, 403),
        ((), {"origin": "http://127.0.0.1:8001"}, 403),
        ((), {"origin": "http://127.0.0.1"}, 403),
        ((), {"sec_fetch_site": "cross-site"}, 403),
        ((), {"sec_fetch_site": "same-site"}, 403),
        ((), {"sec_fetch_site": "none"}, 200),
        ((), {"sec_fetch_site": "same-origin", "origin": "https://proxy.example"}, 200),
        (("https://evil.example",), ABROAD, 200),
        (("https://evil.example",), ABROAD | {"sec_fetch_site": "cross-site"}, 200),
        (("https://good.example",), ABROAD, 403),
        (("*",), ABROAD, 200),
    ],
)
def test_pages(cors, headers, expected):
    origins = OriginPolicy(("127.0.0.1",), cors)
    assert status(origins, "POST", host="127.0.0.1:8000", **headers) == expected
    assert status(origins, "GET", host="127.0.0.1:8000", **headers) == 200
    behind = {"host": "models.example.org", "origin": "https://models.example.org"}
    assert status(OriginPolicy(("*",), ()), "POST", **behind) == 200


def test_a_server_refuses_them(server, pictures):
    url, content = f"{server.url}/predict", encoded(pictures[0])
    simple = ABROAD | {"Content-Type": "text/plain"}
    refused = http.post(url, content=content, headers=simple)
    assert refused.status_code == 403
    assert "--cors" in refused.json()["error"]
    foreign = http.post(url, content=content, headers={"Host": "evil.example"})
    assert foreign.status_code == 421
    assert "--allowed-host" in foreign.json()["error"]
    assert http.post(url, content=content, headers={"Origin": server.url}).status_code == 200


@pytest.mark.parametrize("name", ["a b", "http://x", "x:80", "", "a.*"])
def test_names_that_are_none(name):
    if name == "a.*":
        name = "*a"
    with pytest.raises(ConfigError, match="allowed_host"):
        ServeConfig(("a.onnx",), allowed_host=(name,))


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("12", 12), ("0" * 5000, 0), ("0" * 5000 + "7", 7), ("", None), ("-1", None),
     ("1e3", None), ("²", None), ("٣", None)],
)  # fmt: skip
def test_lengths(text, value):
    assert parse_length(text) == value
    assert (parse_length("9" * 5000) or 0) > 1e18


@pytest.mark.parametrize("digits", ["0" * 5000 + "4", "9" * 5000, "1" + "0" * 4400])
@pytest.mark.parametrize("name", ["Content-Length", "Inference-Header-Content-Length"])
def test_very_long_lengths_are_no_500(server, exported, name, digits):
    own = "" if name == "Content-Length" else "Content-Length: 4\r\n"
    path = f"/v2/models/{exported.stem}/infer"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{own}{name}: {digits}\r\n\r\n"
    assert exchange(server, head.encode() + b"{}  ")[0] in (400, 413)


def test_the_log_is_utf_8_whatever_stdout_is(serving, exported, tmp_path):
    model = tmp_path / "옷.onnx"
    model.write_bytes(exported.read_bytes())
    with serving(model, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}) as server:
        for name in ("옷", "%EA%B3%A0%F0%9F%98%80", "%ff"):
            http.get(f"{server.url}/v1/models/{name}")
        wait_for(lambda: len([line for line in server.log() if "/v1/" in line["path"]]) == 3)
        assert [line["path"] for line in server.log()][-3] == "/v1/models/옷"
        assert server.metric("log_lines_lost_total") == 0
        assert json.loads(http.get(f"{server.url}/v2/models").text) == {"models": ["옷"]}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux' /proc")
def test_metrics_of_the_process(server):
    text = http.get(f"{server.url}/metrics").text
    assert "process_resident_memory_bytes" in text
    assert "process_cpu_seconds_total" in text


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET http://localhost/v2 HTTP/1.1\r\nHost: evil.example", 200),
        (b"GET HTTP://evil.example/v2 HTTP/1.1\r\nHost: localhost", 421),
        (b"GET http://localhost@evil.example/v2 HTTP/1.1", 421),
        (b"GET ftp://localhost/v2 HTTP/1.1\r\nHost: localhost", 400),
        (b"GET /v2 HTTP/1.1", 400),
        (b"GET /v2 HTTP/1.0", 200),
        (b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nhost: localhost", 400),
        (b"GET /v2 HTTP/1.1\r\nHost: evil.example\r\nHOST: localhost", 400),
        (b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked", 501),
    ],
)
def test_one_host_counts(server, head, status):
    """A proxy before the server may look at another one."""
    found, answer = exchange(server, head + b"\r\n\r\n")
    assert found == status
    assert "error" in answer or status == 200
