"""The Open Inference Protocol, as its public client speaks it."""

import asyncio
import base64
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from kerascnn import Classifier
from kerascnn.serving.endpoints.v2_messages import read_request
from kerascnn.serving.http.errors import HttpError

from .conftest import encoded, http, wait_for

triton = pytest.importorskip("tritonclient.http", reason="needs the extra test")
from tritonclient.http import aio  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.address) as client:
        yield client


@pytest.fixture(scope="module")
def expected(exported, pictures):
    """Logits and probabilities of one call each, and the pictures at the model's size."""
    from kerascnn import images

    classifier = Classifier(exported)
    card = classifier.card
    sized = np.stack([images.size_picture(p, card.image_size, card.resize) for p in pictures])
    answers = [classifier.run(one[None]) for one in sized]
    return sized, np.concatenate([a[0] for a in answers]), np.concatenate([a[1] for a in answers])


def make_input(pictures, binary=True):
    tensor = triton.InferInput("image", list(pictures.shape), "UINT8")
    tensor.set_data_from_numpy(pictures, binary_data=binary)
    return [tensor]


def test_health_and_metadata(client, exported):
    name = exported.stem
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(name)
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "kerascnn"
    metadata = client.get_model_metadata(name)
    (version,) = metadata["versions"]
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert [o["name"] for o in metadata["outputs"]] == ["logits", "probabilities"]
    assert client.get_model_metadata(name, version) == metadata
    assert client.is_model_ready(name, version)
    config = client.get_model_config(name, version)
    assert config["input"][0]["data_type"] == "TYPE_UINT8"
    assert config["output"][1]["dims"] == [10]
    with pytest.raises(InferenceServerException, match="no version '7'") as caught:
        client.get_model_metadata(name, "7")
    assert caught.value.status() == "404"


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_inference(client, exported, expected, binary_in, binary_out):
    sized, logits, probabilities = expected
    outputs = None
    if binary_out is not None:
        outputs = [
            triton.InferRequestedOutput(name, binary_data=binary_out)
            for name in ("probabilities", "logits")
        ]
    answer = client.infer(
        exported.stem, make_input(sized[:3], binary_in), outputs=outputs, request_id="a:b-7"
    )
    np.testing.assert_allclose(answer.as_numpy("logits"), logits[:3], rtol=0, atol=1e-5)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), probabilities[:3], atol=1e-6)
    assert answer.get_response()["id"] == "a:b-7"
    assert answer.get_response()["model_name"] == exported.stem


@pytest.mark.parametrize("column", [False, True])
def test_files_as_they_are(client, exported, pictures, expected, column):
    files = [encoded(one) for one in pictures[:3]]
    texts = [base64.b64encode(file) for file in files]
    for values, binary in ((files, True), (texts, False)):
        shape = [3, 1] if column else [3]
        tensor = triton.InferInput("image", shape, "BYTES")
        tensor.set_data_from_numpy(np.array(values, object).reshape(shape), binary_data=binary)
        answer = client.infer(exported.stem, [tensor])
        np.testing.assert_allclose(answer.as_numpy("logits"), expected[1][:3], atol=1e-5)


@pytest.mark.parametrize(
    "tensor",
    [
        {"shape": [2], "data": ["AAAA"]}, {"shape": [1], "data": ["AAAA", "AAAA"]},
        {"shape": [1], "data": []}, {"shape": [1], "data": [[]]}, {"shape": [1], "data": "AAAA"},
        {"shape": [1], "data": [["AAAA", "AAAA"]]}, {"shape": [1], "data": [5]},
        {"shape": [1], "data": [{"b64": "AAAA"}]}, {"shape": [1], "data": ["%"]},
        {"shape": [1, 2], "data": ["AAAA", "AAAA"]}, {"shape": [0], "data": []}, {"shape": []},
        {"shape": [1, 1, 1], "data": ["AAAA"]}, {"shape": [True], "data": ["AAAA"]},
        {"shape": [1], "parameters": {"binary_data_size": 5}},
        {"shape": [1], "parameters": {"binary_data_size": 4}},
        {"shape": [2], "parameters": {"binary_data_size": 6}},
    ],
)  # fmt: skip
def test_files_that_are_none(tensor):
    sizes = tensor.get("parameters", {}).get("binary_data_size")
    binary = {5: b"\2\0\0\0a", 4: b"\0\0\0", 6: b"\2\0\0\0ab"}.get(sizes, b"")
    text = json.dumps({"inputs": [{"name": "image", "datatype": "BYTES", **tensor}]}).encode()
    with pytest.raises(HttpError) as refused:
        read_request(text + binary, str(len(text)), 10, (32, 32), 256)
    assert refused.value.status == 400


@pytest.mark.parametrize("data", ["[1, true, 3]", "[[[[1, 2, false]]]]", "[true, true, true]"])
def test_true_is_no_number(data):
    fields = '"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3]'
    # The second is read by Python's own parser: half a character is none for the other.
    for last in ("", r', "id": "\ud800"'):
        text = f'{{"inputs": [{{{fields}, "data": {data}}}]{last}}}'.encode()
        with pytest.raises(HttpError, match="true or false; expected whole numbers") as refused:
            read_request(text, None, 10, (1, 1), 256)
        assert refused.value.status == 400


def test_statistics_and_index(client, exported, pictures):
    name = exported.stem
    (before,) = client.get_inference_statistics(name)["model_stats"]
    client.infer(name, make_input(pictures[:2]))
    (after,) = client.get_inference_statistics()["model_stats"]
    assert after["inference_count"] == before["inference_count"] + 2
    assert (
        after["inference_stats"]["success"]["count"]
        == 1 + (before["inference_stats"]["success"]["count"])
    )
    version = client.get_model_metadata(name)["versions"][0]
    assert client.get_inference_statistics(name, version)["model_stats"] == [after]
    (row,) = client.get_model_repository_index()
    assert row == {"name": name, "version": version, "state": "READY", "reason": ""}


def test_one_output_of_the_two(client, exported, expected):
    outputs = [triton.InferRequestedOutput("logits")]
    answer = client.infer(exported.stem, make_input(expected[0][:1]), outputs=outputs)
    assert answer.as_numpy("probabilities") is None
    assert answer.as_numpy("logits").shape == (1, 10)


@pytest.mark.parametrize("binary", [True, False])
def test_classification_extension(client, exported, expected, binary):
    output = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=3)
    answer = client.infer(exported.stem, make_input(expected[0][:2]), outputs=[output])
    found = answer.as_numpy("probabilities")
    assert found.shape == (2, 3)
    classes = Classifier(exported).classes
    for row, probabilities in zip(found, expected[2], strict=False):
        texts = [text.decode() if isinstance(text, bytes) else text for text in row]
        for text, index in zip(texts, np.argsort(-probabilities), strict=False):
            value, number, label = text.split(":", 2)
            assert (int(number), label) == (index, classes[index])
            assert float(value) == pytest.approx(probabilities[index], abs=1e-5)


def test_pictures_of_any_size_are_sized_as_predict_sizes_them(client, exported, pictures):
    picture = np.asarray(Image.fromarray(pictures[5]).resize((97, 150)))
    answer = client.infer(exported.stem, make_input(picture[None]))
    (direct,) = Classifier(exported).predict([picture], top_k=1)
    row = answer.as_numpy("probabilities")[0]
    assert row.max() == pytest.approx(direct.probability, abs=1e-6)
    assert Classifier(exported).classes[row.argmax()] == direct.label


def test_raw_binary_request(server, exported, expected):
    sized, logits, _ = expected
    found = http.post(
        f"{server.url}/v2/models/{exported.stem}/infer",
        content=sized[:2].tobytes(),
        headers={"Inference-Header-Content-Length": "0"},
    )
    length = int(found.headers["Inference-Header-Content-Length"])
    head = json.loads(found.content[:length])
    assert [output["name"] for output in head["outputs"]] == ["logits", "probabilities"]
    size = head["outputs"][0]["parameters"]["binary_data_size"]
    values = np.frombuffer(found.content[length : length + size], "<f4").reshape(2, 10)
    np.testing.assert_allclose(values, logits[:2], atol=1e-5)


def test_a_header_that_was_lost_is_named():
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3]}
    for parameters, said in (({"binary_data_size": 3}, True), ({}, False)):
        head = json.dumps({"inputs": [{**tensor, "parameters": parameters}]}).encode()
        with pytest.raises(HttpError, match="not JSON") as refused:
            read_request(head + b"abc", None, 10, (1, 1), 8)
        assert ("Inference-Header-Content-Length" in str(refused.value)) == said


def test_errors_reach_the_client(client, exported, expected):
    wrong = triton.InferInput("picture", [1, 2, 2, 3], "UINT8")
    wrong.set_data_from_numpy(np.zeros((1, 2, 2, 3), np.uint8))
    with pytest.raises(InferenceServerException, match="expected exactly one") as caught:
        client.infer(exported.stem, [wrong])
    assert caught.value.status() == "400"
    with pytest.raises(InferenceServerException, match="unknown model 'nobody'"):
        client.infer("nobody", make_input(expected[0][:1]))
    floats = triton.InferInput("image", [1, 2, 2, 3], "FP32")
    floats.set_data_from_numpy(np.zeros((1, 2, 2, 3), np.float32))
    with pytest.raises(InferenceServerException, match="datatype 'FP32'; expected UINT8"):
        client.infer(exported.stem, [floats])
    unknown = [triton.InferRequestedOutput("nothing")]
    with pytest.raises(InferenceServerException, match="'nothing' is unknown"):
        client.infer(exported.stem, make_input(expected[0][:1]), outputs=unknown)


@pytest.fixture(scope="module")
def gated(serving, exported):
    """A server whose network can be held."""
    with serving(exported, hold="run") as running:
        yield running


def test_the_clients_timeout_is_kept(gated, exported, expected):
    late = pytest.raises(InferenceServerException, match=r"no response within 0\.05 s")
    with triton.InferenceServerClient(gated.address) as client, gated.gate.held(), late:
        client.infer(exported.stem, make_input(expected[0][:1]), timeout=50_000)  # microseconds


def test_several_models_and_any_name(serving, exported, tmp_path, expected):
    second = tmp_path / "옷 100%.onnx"
    shutil.copyfile(exported, second)
    with serving(exported, second) as server:
        with triton.InferenceServerClient(server.address) as client:
            for name in (exported.stem, second.stem):
                answer = client.infer(name, make_input(expected[0][:1]))
                np.testing.assert_allclose(answer.as_numpy("logits"), expected[1][:1], atol=1e-5)
        listed = http.get(f"{server.url}/v2/models").json()["models"]
        assert listed == [exported.stem, second.stem]
        assert http.post(f"{server.url}/predict").status_code == 404  # which one?


def test_asynchronous_client_under_concurrency(gated, exported, expected):
    """The first run is held until forty wait, so the others run together."""
    sized, logits, _ = expected
    before = gated.metric("batch_pictures_count")

    def let_go():
        wait_for(lambda: gated.metric("queue_pictures") == 40)
        gated.gate.open()

    async def ask(client, number):
        answer = await client.infer(exported.stem, make_input(sized[number : number + 1]))
        return answer.as_numpy("logits")[0]

    async def main():
        async with aio.InferenceServerClient(gated.address, conn_limit=40) as client:
            answers = [asyncio.ensure_future(ask(client, n % 40)) for n in range(200)]
            await asyncio.to_thread(let_go)
            return await asyncio.gather(*answers)

    with gated.gate.held():
        for number, row in enumerate(asyncio.run(main())):
            np.testing.assert_allclose(row, logits[number % 40], atol=1e-5)
    # At the worst 1, and 39 in five runs, and the other 160 one by one.
    assert gated.metric("batch_pictures_count") - before <= 166


def test_fields_that_are_null_are_as_if_they_were_not_there():
    """KServe's and MLServer's own clients write all they know of."""
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3]}
    plain = {"inputs": [tensor], "outputs": [{"name": "logits"}]}
    full = {"id": None, "parameters": None, "inputs": [tensor | {"parameters": None}],
            "outputs": [{"name": "logits", "parameters": None}]}  # fmt: skip
    one, other = (
        read_request(json.dumps(fields).encode(), None, 10, (32, 32), 8) for fields in (plain, full)
    )
    np.testing.assert_array_equal(one.pictures, other.pictures)
    assert (one.requested, one.id, one.timeout) == (other.requested, other.id, other.timeout)
    assert read_request(b'{"inputs": [%s], "outputs": null}' % json.dumps(tensor).encode(), None,
                        10, (32, 32), 8).requested  # fmt: skip
