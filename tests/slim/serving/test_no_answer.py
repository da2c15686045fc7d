"""Pictures without an answer, and what becomes of others that were asked about with them."""

import asyncio
import base64

import numpy as np
import pytest

from kerascnn.serving import ServeConfig

from .asking import SAID, asked, finished
from .conftest import encoded
from .small_model import write_model

UNREAD = {
    "HEIC": b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(99),
    "AVIF": b"\0\0\0\x20ftypavif\0\0\0\0mif1miaf" + bytes(99),
    "JPEG XL": b"\xff\x0a" + bytes(99),
}

V1, V2 = "/v1/models/m:predict", "/v2/models/m/infer"


@pytest.fixture
def model(tmp_path):
    """A network whose logit of the first class is infinite for white, and finite for red."""
    weights = np.zeros((3, 3), np.float32)
    weights[:, 0] = 3e38
    write_model(tmp_path / "m.onnx", weights)
    return ServeConfig((str(tmp_path / "m.onnx"),), foreign=SAID, provider="cpu")


def flat(*color):
    return np.broadcast_to(np.asarray(color, np.uint8), (16, 16, 3))


WHITE, RED = flat(255, 255, 255), flat(255, 0, 0)


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def instances(*pictures):
    return {"instances": [one.tolist() for one in pictures]}


def tensor(*pictures):
    rows = np.stack(pictures)
    told = {"name": "image", "datatype": "UINT8", "shape": list(rows.shape)}
    return {"inputs": [{**told, "data": rows.ravel().tolist()}]}


@pytest.mark.parametrize("kind", UNREAD)
def test_other_formats_are_told_at_every_door(kind, model):
    content = UNREAD[kind]
    told = f"not a picture that can be read, but {kind}. Expected JPEG, PNG, WebP, BMP, GIF or TIFF"
    todo = "Convert to JPEG or PNG first"
    file = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [b64(content)["b64"]]}
    raw = {**file, "data": None, "parameters": {"binary_data_size": len(content) + 4}}
    raw.pop("data")
    head = str({"inputs": [raw]}).replace("'", '"').encode()
    length = len(content).to_bytes(4, "little")

    async def main():
        async with asked(model) as (client, _):
            answers = [
                await client.post("/predict", content=content),
                await client.post("/predict", files={"a": ("a.jpg", content)}),
                await client.post(V1, json={"instances": [b64(content)]}),
                await client.post(V2, json={"inputs": [file]}),
                await client.post(
                    V2, content=head + length + content,
                    headers={"Inference-Header-Content-Length": str(len(head))},
                ),
            ]  # fmt: skip
            assert [one.status_code for one in answers] == [422] * 5
            for one in answers:
                assert told in one.json()["error"]
                assert todo in one.json()["error"]

    finished(main())


def test_neighbors_in_a_batch_are_answered(model):
    """Four requests of five pictures are one run of the network; two are of white pictures."""
    sizes = []
    requests = (
        (V2, {"json": tensor(WHITE)}),
        (V1, {"json": instances(RED, WHITE)}),
        (V2, {"json": tensor(RED)}),
        ("/predict", {"content": encoded(RED)}),
    )

    async def main():
        async with asked(model) as (client, service):
            batcher = service.models.get("m").batcher
            network = batcher._idle.pop()

            def counted(batch):
                sizes.append(len(batch))
                return network(batch)

            asking = [asyncio.ensure_future(client.post(url, **sent)) for url, sent in requests]
            while len(batcher._rows) < 5:
                await asyncio.sleep(0.001)
            batcher.sizes = (5,)
            batcher._idle.append(counted)
            batcher._start_if_due()
            return await asyncio.gather(*asking)

    lost, partly, found, simple = finished(main())
    assert sizes == [5]
    answers = (lost, partly, found, simple)
    assert [one.status_code for one in answers] == [422, 422, 200, 200]
    assert lost.json()["error"].startswith("picture: the network's output is not finite")
    assert partly.json()["error"].startswith("picture 1 (of 2, counted from 0): the network's")
    assert found.json()["outputs"][1]["data"] == [1.0, 0.0, 0.0]
    assert simple.json()["label"] == "red"
