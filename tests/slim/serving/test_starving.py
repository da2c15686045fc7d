"""Cheap requests that cost much: bounded before they are taken, and nobody else waits for them."""

import asyncio
import gc
import io
import json
import threading
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from kerascnn import images
from kerascnn.errors import PictureError
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.parallel import usable_cpus
from kerascnn.serving import ServeConfig, create_app
from kerascnn.serving import service as service_module
from kerascnn.serving.admission import AdmissionControl
from kerascnn.serving.endpoints import predict, v1, v2_answers, v2_messages
from kerascnn.serving.endpoints import v2_json as messages
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.incremental_json import write_values
from kerascnn.serving.service import Service

from .conftest import encoded, http
from .small_model import write_model


def flat(width: int, height: int, mode: str = "L", form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, form, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def squashing(tmp_path_factory) -> ServeConfig:
    """A model to whose 16 x 16 pixels pictures are squashed."""
    path = tmp_path_factory.mktemp("model") / "rgb.onnx"
    write_model(path, np.eye(3))
    foreign = ForeignModel(("red", "green", "blue"), normalize="unit")
    return ServeConfig((str(path),), provider="cpu", foreign=foreign, timeout=1000)


def test_thin_pictures_are_refused_before_they_are_decoded(squashing, monkeypatch):
    contents = [flat(1, 4_000_000), flat(2, 6_000_000, "1"), flat(3, 5_000_000, "P"),
                flat(1, 4_000_000, "RGB"), flat(4_000_000, 1)]  # fmt: skip
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 4_000_000, 1, 3],
              "parameters": {"binary_data_size": 12_000_000}}  # fmt: skip
    head = json.dumps({"inputs": [tensor]}).encode()

    async def main():
        service = Service(squashing)
        await service.models.load()
        monkeypatch.setattr(images, "size_picture", None)  # it is never asked
        async with asking(service) as client:
            answers = [await client.post("/predict", content=content) for content in contents]
            answers.append(
                await client.post(
                    "/v2/models/rgb/infer",
                    content=head + bytes(12_000_000),
                    headers={"Inference-Header-Content-Length": str(len(head))},
                )
            )
        service.close()
        return answers

    assert max(map(len, contents)) < 40_000
    for answer in finished(main()):
        assert answer.status_code == 422
        assert "too narrow" in answer.json()["error"]


@pytest.mark.parametrize("rule", images.RESIZE_RULES)
def test_pictures_of_usual_shapes_are_not(rule):
    for height, width in ((3000, 4000), (1000, 12_000), (12_000, 1000), (1, 50), (50, 1)):
        between = images.pixels_between(height, width, 224, rule)
        assert between < 5_000_000, (height, width)
    with pytest.raises(PictureError, match="too narrow"):
        images.size_picture(np.zeros((6_000_000, 1, 3), np.uint8), 32, "squash")


def test_a_jpeg_of_thousands_of_scans_is_refused(server):
    good = flat(1500, 1500, form="JPEG", progressive=True)
    assert http.post(f"{server.url}/predict", content=good).status_code == 200
    scan = good[good.rindex(b"\xff\xda") : -2]
    bomb = good[:-2] + scan * 1000 + good[-2:]
    refused = http.post(f"{server.url}/predict", content=bomb)
    assert refused.status_code == 422
    assert "scans" in refused.json()["error"]


def finished(main):
    """Run a test's coroutine; the limit only ends one that would wait for ever."""
    return asyncio.run(asyncio.wait_for(main, 100))


def asking(service: Service) -> httpx.AsyncClient:
    app = httpx.ASGITransport(create_app(service))
    return httpx.AsyncClient(transport=app, base_url="http://127.0.0.1")


def test_small_pictures_do_not_wait_for_large_ones(exported, pictures, monkeypatch):
    """More large pictures than there are threads are being decoded until the test lets them go."""
    large, small, go_on = flat(4001, 4001), encoded(pictures[3]), threading.Event()
    decode, begun = images.decode, []

    def gated(source, **options):
        found = decode(source, **options)
        if source == large:
            begun.append(source)
            go_on.wait(100)
        return found

    monkeypatch.setattr(images, "decode", gated)

    async def main():
        service = Service(ServeConfig((str(exported),), timeout=1000))
        await service.models.load()
        async with asking(service) as client:
            many = usable_cpus() + 3
            slow = [
                asyncio.ensure_future(client.post("/predict", content=large)) for _ in range(many)
            ]
            while not begun:
                await asyncio.sleep(0.01)
            quick = [await client.post("/predict", content=small) for _ in range(5)]
            assert not any(one.done() for one in slow)
            go_on.set()
            late = await asyncio.gather(*slow)
        backlog = service.models.get(exported.stem).admission
        with backlog.admit(100, 1000):
            expected = backlog.backlog
        service.close()
        assert len(begun) == many
        return {answer.status_code for answer in (*quick, *late)}, expected

    began = time.monotonic()
    statuses, expected = finished(main())
    assert statuses == {200}
    assert expected < 100 * (time.monotonic() - began)


def test_others_have_their_turn_while_many_pictures_are_handed_over(exported, pictures):
    """256 small ones took 7 ms of the event loop in one turn."""
    files = [(f"a{n}", (f"{n}.png", encoded(pictures[n % 40]))) for n in range(200)]

    async def main():
        service = Service(ServeConfig((str(exported),), timeout=1000))
        await service.models.load()
        turn, turns, run_in_thread = 0, [], service._decoder.run_in_thread

        async def noted(work):
            turns.append(turn)
            return await run_in_thread(work)

        service._decoder.run_in_thread = noted
        async with asking(service) as client:
            asked = asyncio.ensure_future(client.post("/predict", files=files))
            while not asked.done():
                turn += 1
                await asyncio.sleep(0)
        service.close()
        return asked.result(), max(turns.count(one) for one in turns)

    answer, at_once = finished(main())
    assert len(answer.json()["predictions"]) == 200
    assert not any("error" in one for one in answer.json()["predictions"])
    assert at_once <= 32


def test_too_many_large_pictures_get_503(exported, monkeypatch):
    large, go_on = flat(4001, 4001), threading.Event()
    monkeypatch.setattr("kerascnn.serving.picture_decoder._MOST_LARGE", 2)
    decode = images.decode

    def gated(source, **options):
        found = decode(source, **options)
        go_on.wait(100)
        return found

    monkeypatch.setattr(images, "decode", gated)

    async def main():
        go_on.set()
        service = Service(ServeConfig((str(exported),), timeout=1000))
        await service.models.load()
        go_on.clear()
        async with asking(service) as client:
            asked = [
                asyncio.ensure_future(client.post("/predict", content=large)) for _ in range(5)
            ]
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert {one.result().status_code for one in done} == {503}
            go_on.set()
            answers = await asyncio.gather(*asked)
        service.close()
        return sorted(answer.status_code for answer in answers)

    assert finished(main()) == [200, 200, 503, 503, 503]


@pytest.mark.parametrize("kind", ["pictures", "no pictures"])
def test_one_request_may_have_more_large_pictures_than_may_wait(exported, monkeypatch, kind):
    """A TIFF does not say what it costs, so it waits with the large ones."""
    monkeypatch.setattr("kerascnn.serving.picture_decoder._MOST_LARGE", 2)
    content = flat(20, 20, form="TIFF") if kind == "pictures" else b"x"
    files = [(f"a{n}", (f"{n}.tif", content)) for n in range(9)]

    async def main():
        service = Service(ServeConfig((str(exported),), timeout=1000))
        await service.models.load()
        async with asking(service) as client:
            answer = await client.post("/predict", files=files)
        service.close()
        return answer

    answer = finished(main())
    assert answer.status_code == (200 if kind == "pictures" else 422)
    rows = answer.json()["predictions"]
    assert [("error" in row) for row in rows] == [kind != "pictures"] * 9


def test_what_is_not_typical_tells_nothing_of_others():
    control = AdmissionControl(64)
    with control.admit(1, 10) as taken:
        taken.typical = False
    with control.admit(10, 10):
        assert control.backlog == 0


def test_long_messages_are_dealt_with_in_threads(exported, monkeypatch):
    threads = []

    def watched(home, name):
        work = getattr(home, name)

        def told(*arguments):
            threads.append((name, threading.current_thread().name.partition("_")[0]))
            return work(*arguments)

        monkeypatch.setattr(home, name, told)

    monkeypatch.setattr(service_module, "LONG", 1 << 30)  # longer ones: test_message_reader
    watched(v2_messages, "read_request")
    watched(v2_answers, "write_answer")
    watched(predict, "_rows")
    many = np.zeros((200, 32, 32, 3), np.uint8)
    tensor = {"name": "image", "datatype": "UINT8", "shape": list(many.shape)}
    text = json.dumps({"inputs": [tensor | {"data": many.ravel().tolist()}]}).encode()
    padded = json.dumps({
        "x": "y" * 100_000, "inputs": [tensor | {"parameters": {"binary_data_size": many.nbytes}}],
    }).encode()  # fmt: skip
    head = {"Inference-Header-Content-Length": str(len(padded))}
    picture = encoded(many[0])
    files = [(f"a{n}", (f"{n}.png", picture)) for n in range(100)]

    async def main():
        service = Service(ServeConfig((str(exported),), timeout=1000))
        await service.models.load()
        url = f"/v2/models/{exported.stem}/infer"
        async with asking(service) as client:
            answers = [
                await client.post(url, content=text),
                await client.post(url, content=padded + many.tobytes(), headers=head),
                await client.post("/predict?top_k=1000", files=files),
            ]
        service.close()
        return answers

    answers = finished(main())
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(answers[0].json()["outputs"][0]["data"]) == 2000
    assert len(answers[2].json()["predictions"]) == 100
    assert {name for name, _ in threads} == {"read_request", "write_answer", "_rows"}
    assert {thread for _, thread in threads} == {"decoding"}


def test_the_card_of_a_model_is_written_once_and_in_a_thread(squashing, monkeypatch):
    """With 20,000 class names in it that took 23 ms of the event loop, at each request."""
    threads, write = [], v1._card

    def noted(served):
        threads.append(threading.current_thread().name.partition("_")[0])
        return write(served)

    monkeypatch.setattr(v1, "_card", noted)
    monkeypatch.setattr(service_module, "_QUICK", 10)

    async def main():
        service = Service(squashing)
        await service.models.load()
        async with asking(service) as client:
            found = [(await client.get("/v1/models/rgb")).json() for _ in range(3)]
            listed = (await client.get("/v1/models")).json()
        service.close()
        return found, listed

    found, listed = finished(main())
    assert found[0] == found[1] == found[2]
    assert listed == {"models": [found[0]]}
    assert found[0]["card"]["classes"] == ["red", "green", "blue"]
    assert threads == ["decoding"]


VALUES = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)


@pytest.mark.parametrize("piece", [4, 32_768])
@pytest.mark.parametrize("indent", [None, 3])
def test_values_flat_and_nested(monkeypatch, piece, indent):
    monkeypatch.setattr(messages, "_PIECE", piece)
    for data in (VALUES.tolist(), VALUES.ravel().tolist()):
        text = json.dumps({"inputs": [{"data": data}]}, indent=indent).encode()
        (tensor,) = messages.read_json(text)["inputs"]
        found = messages.read_values(tensor["data"], VALUES.shape, "image")
        np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("short", [0, 262_144])
@pytest.mark.parametrize(
    "data",
    [
        "[1, 2, 3", "[1,, 2]", "[1, 2, 3,]", "[,]", "[1 2 3]", "[1, 2]", "[1, 2, 256]",
        "[1, 2, -1]", "[1, 2, 0.5]", "[[[[1, 2, 3]]], 4]", "[[1, 2, 3]]", "[[[1, 2, 3]]]",
        "[[[[1, 2]]]]", "[[[[1, 2, 3], [1, 2, 3]]]]", "[[[[[1, 2, 3]]]]]", "[true, true, true]",
        "null", "7", '"123"', "[]", "[[]]", "{}", "[NaN, 1, 2]", "[1, 2, 03]",
    ],
)  # fmt: skip
def test_values_that_are_none(monkeypatch, data, short):
    monkeypatch.setattr(messages, "_SHORT", short)
    monkeypatch.setattr(messages, "_PIECE", 1)
    with pytest.raises(HttpError) as refused:
        (tensor,) = messages.read_json(b'{"inputs": [{"data": %s}]}' % data.encode())["inputs"]
        messages.read_values(tensor["data"], (1, 1, 1, 3), "image")
    assert refused.value.status == 400


def test_written_values_are_read_again():
    values = np.random.default_rng(1).normal(size=(50, 100)).astype(np.float32)
    text = b"".join(write_values(values))
    np.testing.assert_array_equal(np.float32(json.loads(text)), values.ravel())
    texts = ["é", 'a"b', "", "\\"] * 2000
    assert json.loads(b"".join(write_values(texts))) == texts
    values[3, 3] = np.nan
    with pytest.raises(HttpError, match="not finite"):
        b"".join(write_values(values))


def test_what_was_refused_is_let_go_of_at_once(squashing):
    """In a circle with its error a body stays until garbage is collected: once 30 of 14 MB did."""
    none = b'{"instances": [%s0]}' % (b"1," * 20_000)
    assert len(none) > service_module._QUICK, "in a thread"

    async def main() -> int:
        service = Service(squashing)
        await service.models.load()
        async with asking(service) as client:
            gc.collect()
            gc.disable()
            try:
                for path in ("/v1/models/rgb:predict", "/v2/models/rgb/infer"):
                    for _ in range(20):
                        assert (await client.post(path, content=none)).status_code == 400
                return sum(isinstance(one, HttpError) for one in gc.get_objects())
            finally:
                gc.enable()

    assert asyncio.run(main()) <= 2 * usable_cpus()  # a thread may hold its last
