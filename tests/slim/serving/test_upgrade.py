"""Offers to speak another protocol, which clients make unasked: they are not taken up."""

import json
import shutil
import subprocess
from contextlib import closing

import pytest

from .conftest import encoded, exchange, http, receive, wait_for

OFFERS = {
    "java": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    "curl": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
    "websocket": "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "case": "UPGRADE: H2C\r\nCONNECTION: upgrade\r\n",
    "two headers": "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: h2c, TLS/1.0\r\n",
}

JAVA = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;

public class Ask {
    public static void main(String[] a) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 0; i < 2; i++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(a[0]))
                .POST(HttpRequest.BodyPublishers.ofFile(Path.of(a[1]))).build();
            HttpResponse<String> answer =
                client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""


def head(offer: str, length: int, path: str = "/predict") -> bytes:
    lines = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{OFFERS[offer]}"
    return f"{lines}Content-Length: {length}\r\n\r\n".encode()


@pytest.fixture(scope="module")
def content(pictures) -> bytes:
    return encoded(pictures[3])


@pytest.fixture(scope="module")
def expected(server, content) -> dict:
    return http.post(f"{server.url}/predict", content=content).json()


@pytest.mark.parametrize("offer", OFFERS)
def test_a_body_in_the_same_segment(server, content, expected, offer):
    assert exchange(server, head(offer, len(content)) + content) == (200, expected)


@pytest.mark.parametrize("offer", OFFERS)
def test_a_body_in_later_segments(server, content, expected, offer):
    """Once the head was read, the server has told so: it asks for the body."""
    whole = head(offer, len(content)).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with closing(server.connect()) as connection:
        connection.sendall(whole)
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(content[:20])
        wait_for(lambda: server.metric("body_bytes") == 20)
        connection.sendall(content[20:])
        assert receive(connection) == (200, expected)


@pytest.mark.parametrize("offer", OFFERS)
def test_a_body_is_no_request(server, offer):
    """What looks like a request in a body stays one: nothing is smuggled."""
    inner = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    asked = head(offer, len(inner)).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with closing(server.connect()) as connection:
        connection.sendall(asked)
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(inner)
        assert receive(connection)[0] == 422
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert receive(connection) == (200, {"live": True})
    wait_for(lambda: server.log() and server.log()[-1]["path"] == "/v2/health/live")
    assert not [line for line in server.log() if "smuggled" in line["path"]]


def test_a_head_in_pieces_and_requests_in_a_row(server, content, expected):
    one = head("java", len(content)) + content
    with closing(server.connect()) as connection:
        for byte in one[: len(one) - len(content) + 5]:
            connection.sendall(bytes([byte]))
        connection.sendall(one[len(one) - len(content) + 5 :])
        assert receive(connection) == (200, expected)
    with closing(server.connect()) as connection, connection.makefile("rb") as answers:
        connection.sendall(one * 3)
        for _ in range(3):
            assert b"200" in answers.readline()
            lines = [line.lower() for line in iter(answers.readline, b"\r\n")]
            (length,) = [line.split()[1] for line in lines if line.startswith(b"content-length")]
            assert json.loads(answers.read(int(length))) == expected


def test_chunked_bodies(server, content, expected):
    chunked = head("java", 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    assert exchange(server, chunked + body) == (200, expected)


def test_without_a_body_and_no_proxy(server):
    live = head("java", 0, "/v2/health/live").replace(b"POST", b"GET")
    assert exchange(server, live) == (200, {"live": True})
    status, answer = exchange(server, b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n")
    assert (status, "proxy" in answer["error"]) == (400, True)


def test_two_lengths_stay_refused(server, content):
    twice = head("java", 5).replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n")
    assert exchange(server, twice + b"hello")[0] == 400


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(server, content, expected, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(content)
    arguments = ["--http2", "-sS", "--noproxy", "*", "--data-binary", f"@{file}"]
    done = subprocess.run(
        ["curl", *arguments, f"{server.url}/predict"], capture_output=True, timeout=100, check=True
    )
    assert json.loads(done.stdout) == expected


@pytest.mark.skipif(shutil.which("java") is None, reason="needs a JDK")
def test_the_client_of_the_jdk(server, content, expected, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    (tmp_path / "Ask.java").write_text(JAVA)
    command = ["java", "Ask.java", f"{server.url}/predict", "a.png"]
    done = subprocess.run(command, capture_output=True, timeout=100, text=True, cwd=tmp_path)
    if "Module jdk.compiler" in done.stderr:
        pytest.skip("needs a JDK; there is a JRE")
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert line.startswith("200 ")
        assert json.loads(line[4:]) == expected
