"""The simple way: a picture in, JSON out, the same as on the command line."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from .conftest import encoded, http


def direct(kerascnn, model, path) -> dict:
    return json.loads(kerascnn("predict", model, path, "--json", text=True).stdout)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_as_the_body(server, exported, pictures, kerascnn, tmp_path, form):
    file = tmp_path / "a.picture"
    file.write_bytes(encoded(np.asarray(Image.fromarray(pictures[3]).resize((90, 60))), form))
    expected = direct(kerascnn, exported, file)
    for path in ("/predict", f"/v1/models/{exported.stem}/predict"):
        # curl --data-binary sends this type, whatever the file is.
        answer = http.post(
            f"{server.url}{path}",
            content=file.read_bytes(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ).json()
        assert answer == {**expected, "path": None}


def test_a_form_with_many_pictures_one_of_them_broken(server, pictures, kerascnn, exported):
    files = [(f"p{n}", (f"{n}.png", encoded(pictures[n]))) for n in range(5)]
    files.insert(2, ("broken", ("고양이.txt", b"no picture")))
    rows = http.post(f"{server.url}/predict", files=files).json()["predictions"]
    assert [row["path"] for row in rows] == [name for _, (name, _) in files]
    assert "not a picture that can be read" in rows[2]["error"]
    alone = [
        http.post(f"{server.url}/predict", content=content).json() for _, (_, content) in files
    ]
    for row, one in zip(rows, alone, strict=True):
        assert row.get("label") == one.get("label")
        assert row.get("probability", 0) == pytest.approx(one.get("probability", 0), abs=1e-6)


@pytest.mark.parametrize(
    ("wanted", "korean"),
    [("ko", True), ("ko-KR,en;q=0.8", True), ("en-US,ko", False), ("xx", False), (None, False)],
)
def test_an_error_is_said_in_the_language_that_is_asked_for(server, wanted, korean):
    headers = {"Accept-Language": wanted} if wanted else {}
    refused = http.post(f"{server.url}/predict", content=b"no picture", headers=headers)
    said = "읽을 수 있는 사진이 아닙니다" if korean else "not a picture that can be read"
    assert said in refused.json()["error"]


def test_options(server, pictures):
    content = encoded(pictures[0])
    answer = http.post(f"{server.url}/predict?top_k=2&min_probability=1", content=content).json()
    assert answer["label"] is None
    assert len(answer["top"]) == 2
    for query in ("top_k=0", "top_k=a", "top_k=1001", "min_probability=2", "min_probability=nan"):
        refused = http.post(f"{server.url}/predict?{query}", content=content)
        assert refused.status_code == 400
        assert query.split("=")[0] in refused.json()["error"]


def test_the_card(server, exported):
    card = http.get(f"{server.url}/v1/models/{exported.stem}").json()
    assert card["card"]["classes"][0] == "T-shirt/top"
    assert card["ready"] is True
    assert len(card["version"]) == 12
    assert http.get(f"{server.url}/v1/models").json() == {"models": [card]}


def test_nothing_but_broken_pictures(server):
    refused = http.post(f"{server.url}/predict", files={"a": b"no", "b": b"neither"})
    assert refused.status_code == 422
    assert "no picture can be read" in refused.json()["error"]
    assert len(refused.json()["predictions"]) == 2


CURL = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("change", "headers", "expected"),
    [
        (lambda file: b'{"picture": "..."}', {}, "/v1/models/NAME:predict"),
        (lambda file: b"[1, 2]", {}, "got JSON"),
        (base64.b64encode, {}, "got base64"),
        (lambda file: b"data:image/png;base64," + base64.b64encode(file), {}, "base64"),
        # What curl -d does to a file.
        (lambda file: file.replace(b"\r", b"").replace(b"\n", b""), CURL, "--data-binary"),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_that_was_sent_otherwise(server, pictures, form, change, headers, expected):
    content = change(encoded(pictures[0], form))
    if content == encoded(pictures[0], form):
        pytest.skip("a file without line breaks")
    refused = http.post(f"{server.url}/predict", content=content, headers=headers)
    assert (refused.status_code, expected in refused.json()["error"]) == (422, True)


@pytest.mark.parametrize("path", ["v1/models/{}:predict", "v2/models/{}/infer"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "form"])
def test_a_file_that_was_sent_in_place_of_json(server, exported, pictures, form, path):
    file = encoded(pictures[0], "PNG" if form == "form" else form)
    url = f"{server.url}/{path.format(exported.stem)}"
    sent = {"files": {"a": file}} if form == "form" else {"content": file}
    refused = http.post(url, **sent)
    assert refused.status_code == 400
    assert "is for /v1/models/NAME/predict" in refused.json()["error"]
    assert "predict" not in http.post(url, content=b"hello").json()["error"]


@pytest.mark.parametrize(
    ("query", "meant"),
    [("topk=3", "top_k"), ("top-k=3", "top_k"), ("topK=3", "top_k"), ("_=1", None), ("v=2", None),
     ("min_prob=0.6", "min_probability"), ("minProbability=1", "min_probability")],
)  # fmt: skip
def test_misspelled_parameters_are_not_ignored(server, pictures, query, meant):
    found = http.post(f"{server.url}/predict?{query}", content=encoded(pictures[0]))
    assert found.status_code == (400 if meant else 200)
    assert not meant or f"Did you mean {meant}?" in found.json()["error"]


def test_the_method_that_is_expected_is_said(server):
    refused = http.put(f"{server.url}/predict", content=b"")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert refused.json()["error"] == "PUT /predict: expected POST."
