"""The protocol v1 of KServe and TensorFlow Serving."""

import base64
import json

import numpy as np
import pytest

from kerascnn import Classifier
from kerascnn.serving import ServeConfig
from kerascnn.serving.endpoints.v1_messages import read_request
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.incremental_json import split_list

from .asking import asked, finished
from .conftest import encoded


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def expected(exported, pictures):
    answers = Classifier(exported).predict([encoded(one) for one in pictures[:3]], top_k=10)
    classes = Classifier(exported).classes
    rows = [{one.label: one.probability for one in answer.top} for answer in answers]
    return np.array([[row[name] for name in classes] for row in rows])


FORMS = {
    "bare": lambda content, _: {"b64": b64(content)},
    "image": lambda content, _: {"image": {"b64": b64(content)}},
    "image_bytes and key": lambda content, _: {"image_bytes": {"b64": b64(content)}, "key": "7"},
    "text": lambda content, _: b64(content),
    "data URL": lambda content, _: {"b64": f"data:image/png;base64,{b64(content)}"},
    "alphabet of URLs, no padding": lambda content, _: {
        "b64": base64.urlsafe_b64encode(content).decode().rstrip("=")
    },
    "lines": lambda content, _: {"b64": base64.encodebytes(content).decode()},
    "numbers": lambda _, pixels: pixels.tolist(),
    "whole floats": lambda _, pixels: pixels.astype(float).tolist(),
    "named numbers": lambda _, pixels: {"input_1": pixels.tolist()},
    "gray": lambda _, pixels: pixels[:, :, 0].tolist(),
    "gray with a channel": lambda _, pixels: pixels[:, :, :1].tolist(),
}


def test_each_way_of_sending_a_picture(exported, pictures, expected):
    async def main():
        async with asked(ServeConfig((str(exported),), provider="cpu", timeout=1000)) as (
            client,
            _,
        ):
            url = f"/v1/models/{exported.stem}:predict"
            for name, form in FORMS.items():
                sent = [form(encoded(one), one) for one in pictures[:3]]
                answer = await client.post(url, json={"instances": sent})
                assert answer.status_code == 200, (name, answer.text)
                found = np.array(answer.json()["predictions"])
                np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=name)
            for inputs in (sent, {"image": sent}):
                columns = await client.post(url, json={"signature_name": "s", "inputs": inputs})
                np.testing.assert_allclose(columns.json()["outputs"], expected, atol=1e-6)

    finished(main())


def test_what_it_says_of_a_model(exported):
    async def main():
        async with asked(ServeConfig((str(exported),), provider="cpu")) as (client, service):
            url = f"/v1/models/{exported.stem}"
            found = (await client.get(url)).json()
            version = found["version"]
            (state,) = found["model_version_status"]
            assert found["ready"] is True
            good = {"error_code": "OK", "error_message": ""}
            assert state == {"version": version, "state": "AVAILABLE", "status": good}
            assert (await client.get(f"{url}/versions/{version}")).json() == found
            assert (await client.get(f"{url}/versions/7")).status_code == 404
            assert (await client.get("/v1/models/nobody")).status_code == 404
            path = f"{url}/versions/{version}:predict"
            assert (await client.post(path, json={"instances": [[[1]]]})).status_code == 200
            service.models._served.clear()
            early = await client.get(url)
            assert early.status_code == 503
            assert early.json()["ready"] is False
            assert early.json()["model_version_status"][0]["state"] == "LOADING"

    finished(main())


def test_a_picture_without_an_answer_is_named(exported, pictures):
    async def main():
        async with asked(ServeConfig((str(exported),), provider="cpu")) as (client, _):
            sent = [{"b64": b64(encoded(pictures[0]))}, {"b64": b64(b"no picture")}]
            url = f"/v1/models/{exported.stem}:predict"
            answer = await client.post(url, json={"instances": sent})
            assert answer.status_code == 422
            assert "not a picture that can be read" in answer.json()["error"]
            many = await client.post(url, json={"instances": sent * 200})
            assert many.status_code == 400

    finished(main())


@pytest.mark.parametrize(
    "instances",
    [
        [], {}, None, 7, "", [1], [None], [[]], [[[]]], [[[[]]]], [[[[1, 2]]]], [[[[1, 2, 3, 4]]]],
        [[[[1, 2, 256]]]], [[[[1, 2, -1]]]], [[[[1, 2, 0.5]]]], [[[[1, 2, True]]]], [[[["1"]]]],
        [[[[1, 2, 3]], [[1, 2, 3], [1, 2, 3]]]], [[[1, 2], [1]]], [[[[[1, 2, 3]]]]],
        [{"b64": 5}], [{"b64": "é"}], [{"b64": "a"}], [{"b64": "%%%%"}], [{"b64": ""}], [{}],
        [{"a": {"b": {"b64": "AAAA"}}}], [{"a": 1}], [{"a": [[[1, 2, 3]]], "b": 1}],
    ],
)  # fmt: skip
def test_what_is_no_picture(instances):
    with pytest.raises(HttpError) as refused:
        read_request(json.dumps({"instances": instances}).encode(), 8)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"7", b"\xff", b"[" * 100_000, b'{"instances": ' + b"[" * 100_000,
        b'{"instances": [[[[1, 2, NaN]]]]}', b'{"instances": [[[[1, 2, 1e400]]]]}',
        b'{"instances": [1,1', b'{"inputs": {"a": [], "b": []}}',
        b'{"instances": [[[1]]], "inputs": [[[1]]]}',
        # Millions of elements, none of which may become an object of its own.
        b'{"instances": [%s1]}' % (b"1," * 100_000),
        b'{"instances": [[%s[]]]}' % (b"[]," * 100_000),
        b'{"instances": [[[%s[1,1,1]]]]}' % (b"[1,1,1]," * 100_000),
        b'{"instances": ["a", %s1]}' % (b"1," * 100_000),
    ],
    ids=lambda body: str(body[:30]),
)  # fmt: skip
def test_what_is_no_request(body):
    with pytest.raises(HttpError) as refused:
        read_request(body, 256)
    assert refused.value.status == 400


def test_long_lists_are_split_as_short_ones_are(monkeypatch):
    value = [[[1, 2], [3]], [], [[4]], [[5, 6, 7]]]
    for few in (65_536, 0):
        monkeypatch.setattr("kerascnn.serving.http.incremental_json._MAX_ELEMENTS", few)
        monkeypatch.setattr("kerascnn.serving.http.incremental_json._STEP", 5)
        for indent in (None, 2):
            parts = split_list(json.dumps(value, indent=indent).encode(), 4)
            assert [json.loads(bytes(part)) for part in parts] == value
        with pytest.raises(ValueError, match="more than 3"):
            split_list(json.dumps(value).encode(), 3)


@pytest.mark.parametrize("around", ['{"b64": "AAAA"}', '{"image": {"b64": "AAAA"}}'])
def test_a_column_of_one_file_need_not_be_a_list(around):
    found = read_request(b'{"inputs": %s}' % around.encode(), 8)
    assert (found.pictures, found.by_row) == ([b"\0\0\0"], False)


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("POST", "{}:classify", 404, ":classify is not supported; expected :predict."),
        ("POST", "{}/versions/1:regress", 404, ":regress is not supported"),
        ("GET", "{}:predict", 405, "expected POST"),
        ("GET", "{}/versions/1:predict", 405, "expected POST"),
        ("POST", "{}", 405, "expected GET, HEAD"),
    ],
)
def test_other_verbs_and_methods(exported, method, path, status, expected):
    async def main():
        async with asked(ServeConfig(models=(str(exported),))) as (client, _):
            answer = await client.request(method, f"/v1/models/{path.format(exported.stem)}")
            assert (answer.status_code, expected in answer.json()["error"]) == (status, True)
            assert ("POST" in answer.headers.get("allow", "")) == (expected == "expected POST")

    finished(main())
