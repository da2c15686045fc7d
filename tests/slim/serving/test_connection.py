"""HTTP/1.1 as its RFCs have it: white space, trailers, versions, and requests in a row."""

import re
from contextlib import closing

import pytest

from .conftest import encoded, exchange, receive

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def content(pictures) -> bytes:
    return encoded(pictures[5])


def post(content: bytes, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST /predict HTTP/{version}", "Host: x", *headers]
    if not any("chunked" in header for header in headers):
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def chunked(content: bytes, trailers: bytes = b"") -> bytes:
    return b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(content), content, trailers)


def statuses(server, data: bytes) -> list[int]:
    """Of all answers until the server closes the connection."""
    with closing(server.connect()) as connection:
        connection.sendall(data)
        with connection.makefile("rb") as answers:
            return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+)", answers.read())]


@pytest.mark.parametrize(
    "headers",
    [
        ("Transfer-Encoding:  chunked  ",),
        ("Content-Encoding: identity  ",),
        ("Connection: close ",),
        ("Content-Length:  %d  ",),
    ],
)
def test_white_space_around_a_value_is_no_part_of_it(server, content, headers):
    body = chunked(content) if "chunked" in headers[0] else content
    asked = post(body, *(header.replace("%d", str(len(content))) for header in headers))
    if "Length" in headers[0]:
        asked = asked.replace(f"Content-Length: {len(content)}\r\n".encode(), b"")
    assert exchange(server, asked)[0] == 200


def test_trailers_are_no_headers(server, content):
    trailers = b"Host: evil.example\r\nContent-Encoding: br\r\nX-Request-ID: forged\r\n"
    asked = post(chunked(content, trailers), "Transfer-Encoding: chunked")
    assert exchange(server, asked)[0] == 200


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_other_versions_are_told_so(server, version):
    status, answer = exchange(server, f"GET /v2 HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    assert (status, version in answer["error"]) == (505, True)


@pytest.mark.parametrize(("version", "expected"), [("1.0", [200]), ("1.1", [100, 200])])
def test_an_expectation_is_of_http_1_1(server, content, version, expected):
    headers = ("Expect: 100-continue ", "Connection: close")
    assert statuses(server, post(content, *headers, version=version)) == expected


FOLLOWING = {
    "no method": b"garbage\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a long path": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long head": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    "another coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
}


@pytest.mark.parametrize("following", FOLLOWING)
def test_what_follows_a_request_does_not_take_its_answer(server, content, following):
    """A client takes the first answer for that to its first request."""
    asked = post(content) + post(b"no picture") + FOLLOWING[following]
    assert statuses(server, asked) == [200, 422]


@pytest.mark.parametrize("target", [b"http://localhost", b"http://localhost?a=b", b"HTTPS://X/v2"])
def test_a_whole_url_may_lack_a_path(server, target):
    asked = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(server, asked) == [200]


def test_it_is_answered_if_nothing_is_before_it(server):
    assert statuses(server, FOLLOWING["no method"]) == [400]
    with closing(server.connect()) as connection:
        connection.sendall(LIVE)
        assert receive(connection)[0] == 200
        connection.sendall(FOLLOWING["no method"])
        assert receive(connection)[0] == 400


@pytest.mark.parametrize("path", ["/nowhere", "/v2/models/nobody/infer", "/predict?top_k=0"])
def test_what_is_refused_before_its_body_is_there_ends_the_connection(server, path):
    # The client may send the body, or not: here it does not, and asks something else.
    asked = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    (status,) = statuses(server, asked.encode() + LIVE)
    assert status in (400, 404)
