"""Bodies that are compressed on their way, in both directions."""

import gzip
import json
import zlib

import numpy as np
import pytest

from kerascnn.serving.http.compression import check_encoding, compressed, decompress
from kerascnn.serving.http.errors import HttpError

from .conftest import encoded, http, wait_for


def raw_deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(data) + packing.flush()


PACKED = {"gzip": gzip.compress, "x-gzip": gzip.compress, "GZIP": gzip.compress,
          "deflate": zlib.compress, "Deflate": raw_deflate, "identity": bytes}  # fmt: skip


@pytest.mark.parametrize("method", PACKED)
def test_compressed_requests(server, exported, pictures, method):
    content, pack = encoded(pictures[3]), PACKED[method]
    head = {"Content-Encoding": method}
    plain = http.post(f"{server.url}/predict", content=content).json()
    assert http.post(f"{server.url}/predict", content=pack(content), headers=head).json() == plain
    form = http.build_request("POST", server.url, files={"a": ("a.png", content)})
    kind = {"Content-Type": form.headers["Content-Type"]}
    found = http.post(f"{server.url}/predict", content=pack(form.read()), headers=head | kind)
    assert found.json()["predictions"] == [{**plain, "path": "a.png"}]
    raw = {"Inference-Header-Content-Length": "0"}
    url = f"{server.url}/v2/models/{exported.stem}/infer"
    zeros = bytes(32 * 32 * 3)
    assert http.post(url, content=pack(zeros), headers=head | raw).status_code == 200
    wait_for(lambda: server.metric("body_bytes") == 0)


@pytest.mark.parametrize("method", ["br", "zstd", "gzip, gzip", "gzip;q=1", "nonsense"])
def test_other_methods_are_415(server, method):
    refused = http.post(f"{server.url}/predict", content=b"x", headers={"Content-Encoding": method})
    assert refused.status_code == 415
    assert "expected gzip, deflate or none" in refused.json()["error"]
    assert refused.headers["Accept-Encoding"] == "gzip, deflate"


BOMB = gzip.compress(bytes(50_000_000), 9)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (BOMB, 413),
        (b"no gzip at all", 400),
        (b"", 400),
        (gzip.compress(b"x" * 1000)[:-5], 400),
        (gzip.compress(b"x") + b"more", 400),
    ],
    ids=range(5),
)
def test_what_is_not_compressed_as_it_says(server, body, status):
    refused = http.post(f"{server.url}/predict", content=body, headers={"Content-Encoding": "gzip"})
    assert refused.status_code == status
    assert refused.json()["error"]


def test_what_a_body_may_become():
    assert decompress(gzip.compress(b"x" * 100), 100) == b"x" * 100
    with pytest.raises(HttpError, match="more than 99 bytes"):
        decompress(gzip.compress(b"x" * 100), 99)
    assert not check_encoding("")
    assert not check_encoding("identity, Identity")
    assert check_encoding(" GZip ")
    assert check_encoding("identity, gzip,")


def test_several_members_and_zeros_behind():
    """As pigz, bgzip and tar write them; many are no way to keep a thread busy."""
    parts = [b"a" * 100_000, b"", b"b"]
    several = b"".join(map(gzip.compress, parts))
    assert decompress(several + bytes(512), 200_000) == b"".join(parts)
    for wrong in (several + b"\0x", several[:-1], several + b"\x1f\x8b", several + bytes(99_999)):
        with pytest.raises(HttpError, match="is incomplete"):
            decompress(wrong, 200_000)
    with pytest.raises(HttpError, match="more than 100,000 bytes"):
        decompress(several, 100_000)
    with pytest.raises(HttpError, match="is incomplete"):
        decompress(gzip.compress(b"") * 20_000, 100)


@pytest.mark.parametrize(
    ("accepted", "method"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("gzip, deflate, br", "gzip"), ("*", "gzip"),
     ("gzip;q=0.1, deflate;q=0.9", "deflate"), ("gzip;q=0, deflate;q=0", None), ("br", None),
     ("", None), ("identity", None), ("*;q=0", None), ("gzip;q=x", None)],
)  # fmt: skip
def test_what_a_client_takes(accepted, method):
    from starlette.responses import Response

    found = compressed(Response(b"1" * 20_000), accepted)
    assert found.headers.get("content-encoding") == method
    assert int(found.headers["content-length"]) == len(found.body)
    assert found.headers["vary"] == "Accept-Encoding"
    short = compressed(Response(b"1" * 100), accepted)
    assert (short.body, "content-encoding" in short.headers) == (b"1" * 100, False)


@pytest.mark.parametrize("method", ["gzip", "deflate"])
def test_large_answers_are_compressed_for_those_who_ask(server, exported, method):
    body = json.dumps({"inputs": [{"name": "image", "datatype": "UINT8", "shape": [200, 1, 1, 3],
                                   "data": [0] * 600}]})  # fmt: skip
    url = f"{server.url}/v2/models/{exported.stem}/infer"
    plain = http.post(url, content=body, headers={"Accept-Encoding": "identity"})
    packed = http.post(url, content=body, headers={"Accept-Encoding": method})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == method
    assert packed.json() == plain.json()
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])


@pytest.mark.parametrize("method", ["gzip", "deflate"])
def test_the_public_client(server, exported, method):
    triton = pytest.importorskip("tritonclient.http", reason="needs the extra test")
    pictures = np.zeros((200, 32, 32, 3), np.uint8)
    tensor = triton.InferInput("image", list(pictures.shape), "UINT8")
    tensor.set_data_from_numpy(pictures)
    with triton.InferenceServerClient(server.address) as client:
        plain = client.infer(exported.stem, [tensor])
        found = client.infer(
            exported.stem,
            [tensor],
            request_compression_algorithm=method,
            response_compression_algorithm=method,
        )
    for name in ("logits", "probabilities"):
        np.testing.assert_allclose(found.as_numpy(name), plain.as_numpy(name), atol=1e-5)
