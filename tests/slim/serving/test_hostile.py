"""Bad input: a 4xx with a JSON error each time, and the next good request is answered rightly."""

import io
import json
import socket
import struct
import zlib
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
from PIL import Image

from .conftest import encoded, exchange, http, receive, wait_for


@pytest.fixture(scope="module")
def server(serving, exported):
    with serving(exported, "--max-body-mb", 2) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(serving, exported):
    """One that waits for its clients 3 s and no longer, and can be held while it decodes."""
    with serving(exported, "--read-timeout", 3, hold="decode") as running:
        yield running


@pytest.fixture(autouse=True)
def _goes_on(server, pictures, exported):
    """After every test, the server answers a good request as before."""
    yield
    answer = http.post(f"{server.url}/predict", content=encoded(pictures[3])).json()
    assert answer["label"] in answer["top"][0]["label"]
    sized = np.zeros((1, 32, 32, 3), np.uint8)
    assert infer(server, exported, request_of(sized)).status_code == 200


def infer(server, exported, content, **headers):
    url = f"{server.url}/v2/models/{exported.stem}/infer"
    return http.post(url, content=content, headers=headers)


def request_of(pictures=None, **changes) -> bytes:
    """A request in JSON, with some fields changed; None removes one."""
    pictures = np.zeros((1, 4, 4, 3), np.uint8) if pictures is None else pictures
    tensor = {
        "name": "image",
        "datatype": "UINT8",
        "shape": list(pictures.shape),
        "data": pictures.ravel().tolist(),
    }
    return json.dumps({"inputs": [{k: v for k, v in (tensor | changes).items() if v is not None}]})


NAN = request_of().replace('"data": [0,', '"data": [NaN,')
DEEP = '{"inputs": ' + "[" * 100_000 + "]" * 100_000 + "}"
RAGGED = request_of(data=[[1, 2], [3]])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "JSON list"),
        ("null", "JSON NoneType"),
        ('{"inputs": 3}', "array of objects"),
        ('{"inputs": []}', "exactly one"),
        ("{}", "exactly one"),
        (b"\xff\xfe\x00", "not JSON"),
        (NAN, "NaN is not a JSON value"),
        (DEEP, "nested too deeply"),
        (RAGGED, "is not a tensor"),
        (request_of(name="picture"), "exactly one"),
        (request_of(name=None), "exactly one"),
        (request_of(datatype="FP32"), "expected UINT8"),
        (request_of(datatype=8), "expected UINT8"),
        (request_of(shape=None), "has shape None"),
        (request_of(shape=[4, 4, 3]), "has shape [4, 4, 3]"),
        (request_of(shape=[1, 4, 4, 4]), "has shape"),
        (request_of(shape=[-1, 4, 4, 3]), "has shape"),
        (request_of(shape=[0, 4, 4, 3]), "has shape"),
        (request_of(shape=[True, 4, 4, 3]), "has shape"),
        (request_of(shape=[1.0, 4, 4, 3]), "has shape"),
        (request_of(shape=["1", 4, 4, 3]), "has shape"),
        (request_of(shape=[10**30, 10**30, 10**30, 3]), "not [1000"),
        (request_of(shape=[1, 5, 4, 3]), "not [1, 5, 4, 3]"),
        (request_of(shape=list(range(1, 5000))), "has shape"),
        (request_of(data=None), "neither"),
        (request_of(data=[256] * 48), "0 to 255"),
        (request_of(data=[-1] * 48), "0 to 255"),
        (request_of(data=[0.5] * 48), "whole numbers"),
        (request_of(data=[10**40] * 48), "whole numbers"),
        (request_of(data=["a"] * 48), "whole numbers"),
        (request_of(data=[None] * 48), "whole numbers"),
        (request_of(data=[True] * 48), "whole numbers"),
        (request_of(data=[]), "whole numbers"),
        (request_of(data="AAAA"), "whole numbers"),
        (request_of(data={"a": 1}), "whole numbers"),
        (request_of(parameters=3), "must be an object"),
        (request_of(parameters={"binary_data_size": 48}), "both"),
        (request_of(data=None, parameters={"binary_data_size": -1}), "binary_data_size -1"),
        (request_of(data=None, parameters={"binary_data_size": 48}), "0 bytes follow"),
        (request_of()[:-1] + ', "outputs": [{"name": "x"}]}', "unknown"),
        (request_of()[:-1] + ', "outputs": [{"name": {}}]}', "unknown"),
        (request_of()[:-1] + ', "outputs": {}}', "array of objects"),
        (request_of(data=None, parameters={"shared_memory_region": "a"}), "shared memory"),
        (
            request_of()[:-1]
            + ', "outputs": [{"name": "logits", "parameters": {"shared_memory_region": "a"}}]}',
            "shared memory",
        ),
        (request_of()[:-1] + ', "id": 7}', "'id' must be a string"),
        (request_of()[:-1] + ', "parameters": {"timeout": "1"}}', "microseconds"),
        (request_of()[:-1] + ', "parameters": {"binary_data_output": 1}}', "true or false"),
        (
            request_of()[:-1]
            + ', "outputs": [{"name": "logits", "parameters": {"classification": -2}}]}',
            "classification",
        ),
    ],
    ids=lambda value: str(value)[-40:] if isinstance(value, str) else "bytes",
)
def test_requests_that_are_none(server, exported, content, reason):
    refused = infer(server, exported, content)
    assert refused.status_code == 400
    assert reason in refused.json()["error"]
    assert len(refused.content) < 1000


def test_very_many_pictures(server, exported):
    refused = infer(server, exported, request_of(np.zeros((300, 1, 1, 3), np.uint8)))
    assert refused.status_code == 400
    assert "300 pictures" in refused.json()["error"]


HEAD = request_of(data=None, parameters={"binary_data_size": 48})


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (HEAD.encode() + bytes(47), len(HEAD)),  # truncated
        (HEAD.encode() + bytes(49), len(HEAD)),
        (HEAD.encode() + bytes(48), len(HEAD) - 1),
        (HEAD.encode() + bytes(48), len(HEAD) + 1),
        (HEAD.encode() + bytes(48), len(HEAD) + 49),  # longer than the body
        (HEAD.encode() + bytes(48), -1),
        (HEAD.encode() + bytes(48), 10**30),
        (HEAD.encode() + bytes(48), "seven"),
        (HEAD.encode() + bytes(48), "7e1"),
        (HEAD.encode() + bytes(48), ""),
        (request_of().encode() + bytes(48), len(request_of())),  # bytes of no input
        (b"", 0),
        (bytes(100), 0),
    ],
)
def test_binary_tensors_that_do_not_fit(server, exported, content, length):
    refused = infer(server, exported, content, **{"Inference-Header-Content-Length": str(length)})
    assert refused.status_code == 400
    assert refused.json()["error"]


def png_of(width: int, height: int) -> bytes:
    """A picture that claims a size and has no such pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def bomb() -> bytes:
    """60 million pixels in less than 100 kilobytes."""
    file = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"no picture",
        b"\xff\xd8\xff\xe0" + bytes(100),
        png_of(50_000, 50_000),
        png_of(2**31 - 1, 2**31 - 1),
        png_of(0, 10),
        png_of(100, 100),
        bomb(),
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        json.dumps({"picture": "x"}).encode(),
    ],
    ids=range(10),
)
def test_what_is_no_picture(server, content):
    refused = http.post(f"{server.url}/predict", content=content)
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("picture: ")


def test_raw_pixels_beyond_the_limit(serving, exported):
    with serving(exported, "--max-megapixels", 0.001) as small:
        refused = infer(small, exported, request_of(np.zeros((1, 40, 40, 3), np.uint8)))
        assert refused.status_code == 422
        assert "expected at most 1,000 pixels" in refused.json()["error"]


def test_empty_bodies_and_forms(server):
    assert http.post(f"{server.url}/predict").status_code == 400
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for content in (
        b"",
        b"--x--\r\n",
        b"garbage",
        b'--x\r\nContent-Disposition: form-data; name="a',
    ):
        refused = http.post(f"{server.url}/predict", content=content, headers=kind)
        assert refused.status_code == 400
        assert refused.json()["error"]
    without = http.post(
        f"{server.url}/predict", content=b"x", headers={"Content-Type": "multipart/form-data"}
    )
    assert without.status_code == 400
    text = http.post(f"{server.url}/predict", files={"a": (None, "text")})
    assert text.status_code == 400
    assert "holds no file" in text.json()["error"]


@pytest.mark.parametrize(
    "name",
    ["nobody", "..", "%2e%2e%2fetc%2fpasswd", "..%2f..", "%00", "a%0d%0ab", "%ff", "a" * 5000,
     "nobody%2finfer", "~", "%25s%25n", "{name}"],
)  # fmt: skip
def test_paths_in_names_of_models(server, name):
    for path in ("/v2/models/{}", "/v2/models/{}/infer", "/v1/models/{}/predict", "/v1/models/{}"):
        line = path.format(name)
        method = "POST" if line.endswith(("infer", "predict")) else "GET"
        status, answer = exchange(
            server, f"{method} {line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert status == 404
        assert answer["error"]


def test_other_methods(server, exported):
    for method, path in (("PUT", "/predict"), ("GET", "/predict"), ("DELETE", "/v2")):
        refused = http.request(method, f"{server.url}{path}")
        assert refused.status_code == 405
        assert refused.json()["error"]
    assert http.get(f"{server.url}/predict").headers["allow"] == "POST"


def post(path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GARBAGE\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        post("/predict", "Content-Length: -5"),
        post("/predict", "Content-Length: 5", "Content-Length: 6", body=b"hello"),
        post("/predict", "Content-Length: 99999999999999999999999999"),
        post("/predict", "Content-Length: five"),
        post("/predict", "Transfer-Encoding: chunked", body=b"zz\r\nhello\r\n"),
        post("/predict", "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post("/predict", "bad header", body=b""),
    ],
    ids=range(11),
)
def test_what_is_not_http(server, data):
    status, answer = exchange(server, data)
    assert status == 400
    assert answer["error"]


HEADS = {
    "a long path": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a path without an end": (b"GET /" + b"a" * 400_000, 414),
    "many headers": (
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 101 + b"\r\n", 431,
    ),
    "a long header": (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 40_000 + b"\r\n\r\n", 431),
    "a header without an end": (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 900_000, 431),
    "long ones, and a body": (
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        + (b"x: " + b"y" * 9_000 + b"\r\n") * 4 + b"\r\nabc", 431,
    ),
}  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_heads_are_limited_in_bytes(server, head):
    data, status = HEADS[head]
    found, answer = exchange(server, data)
    assert found == status
    assert answer["error"].startswith("the ")


def test_a_client_that_goes_after_its_refusal_is_no_error(serving, exported):
    """Its end came in the middle of what was still taken, and was to be answered once more."""
    with serving(exported) as server:
        for data, _ in HEADS.values():
            exchange(server, data)
        assert server.stop() == 0
        assert server.process.stderr.read() == ""


def test_a_body_of_100_megabytes(server):
    told = post("/predict", "Content-Length: 100000000")
    assert exchange(server, told)[0] == 413  # before any of it is sent
    status, answer = exchange(server, told + bytes(100_000_000))
    assert status == 413
    assert "expected at most 2,000,000" in answer["error"]

    def endless():
        for _ in range(1600):
            yield bytes(65_536)

    try:
        refused = http.post(f"{server.url}/predict", content=endless())
    except (httpx.WriteError, httpx.ReadError):  # cut off while it was sending
        refused = None
    assert refused is None or refused.status_code == 413
    wait_for(lambda: server.metric("body_bytes") == 0)


def test_slow_clients_are_cut(impatient):
    half = (
        b"POST /predict HTTP/1.1\r\nHost:",  # in the middle of the headers
        post("/predict", "Content-Length: 100", body=b"half"),
        post("/predict", "Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n"),
    )
    with ExitStack() as stack:
        connections = [stack.enter_context(impatient.connect()) for _ in (*half, b"")]
        for connection, data in zip(connections, half, strict=False):
            connection.sendall(data)
        for connection in connections[: len(half)]:
            status, answer = receive(connection)
            assert status == 408
            assert "was not received within 3 s" in answer["error"]
        assert connections[-1].recv(100) == b""  # it never said a word


def test_a_slow_drip_is_cut(impatient):
    """If each byte gave it new time, it would go on until the loop ends."""
    with impatient.connect() as connection:
        connection.sendall(post("/predict", "Content-Length: 1000"))
        connection.settimeout(0.2)
        for _ in range(500):
            try:
                connection.sendall(b"x")
                answer = connection.recv(100)
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("it is still being read")
    assert b"408" in answer


def test_half_closed_sockets(impatient, pictures):
    content = encoded(pictures[0])
    # What is answered before the half is closed is answered rightly, so here it is held up.
    with impatient.gate.held():
        for body in (content, content[:100]):
            data = post("/predict", f"Content-Length: {len(content)}", body=body)
            status, answer = exchange(impatient, data, half_close=True)
            assert status == 400
            assert "closed" in answer["error"]


def test_closed_at_once(server, pictures):
    content = encoded(pictures[0])
    for _ in range(20):
        with server.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(post("/predict", f"Content-Length: {len(content)}", body=content))


def test_never_a_500(server):
    assert server.metric("requests_total", outcome="error") == 0
    bad = [line for line in server.log() if line["status"] >= 500]
    assert {line["path"] for line in bad} <= {"/v2/health/ready"}  # while it was warming up
