"""A number that is not finite is never an answer, whoever asks.

The network divides 0 by 0 on a flat picture, and answers by its mean color to any other.
"""

import json
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from starlette.testclient import TestClient

from kerascnn import Classifier
from kerascnn.cli import main
from kerascnn.errors import PictureError
from kerascnn.inference import ForeignModel
from kerascnn.serving import ServeConfig, create_app

SIZE = 8
NAMES = ("red", "green", "blue")
SAID = ForeignModel(NAMES, SIZE, "unit", "squash")
RULED_OUT = np.asarray([0, 0, -np.inf], np.float32)


def network(path: Path, extra: np.ndarray) -> Path:
    """Write 8 * mean color * (spread / spread) + extra."""
    axes = {"axes": [2, 3]}
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], **axes),
        helper.make_node("Sub", ["x", "mean"], ["away"]),
        helper.make_node("Abs", ["away"], ["far"]),
        helper.make_node("ReduceMean", ["far"], ["spread"], axes=[1, 2, 3]),
        helper.make_node("Div", ["spread", "spread"], ["one"]),
        helper.make_node("Mul", ["mean", "one"], ["shown"]),
        helper.make_node("Mul", ["shown", "eight"], ["large"]),
        helper.make_node("Flatten", ["large"], ["flat"]),
        helper.make_node("Add", ["flat", "extra"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [
            numpy_helper.from_array(np.asarray(8, np.float32), "eight"),
            numpy_helper.from_array(extra, "extra"),
        ],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path
    )
    return path


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return network(tmp_path / "odd.onnx", np.zeros(3, np.float32))


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str, str]:
    """A flat red picture, and a red one with a spot."""
    flat = np.zeros((SIZE, SIZE, 3), np.uint8)
    flat[..., 0] = 255
    spotted = flat.copy()
    spotted[0, 0] = 0
    for label, name, one in (("red", "flat", flat), ("red", "spotted", spotted)):
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(tmp_path / "data" / label / f"{name}.png")
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    return tuple(str(tmp_path / "data" / "red" / f"{name}.png") for name in ("flat", "spotted"))


def words(tmp_path: Path) -> list[str]:
    return ["--labels", f"{tmp_path / 'names.txt'}", "--normalize", "unit", "--resize", "squash"]


def test_a_classifier_gives_an_error_for_that_picture_alone(odd, pictures) -> None:
    classifier = Classifier(odd, foreign=SAID)
    lost, found = classifier.stream(pictures)
    assert isinstance(lost, PictureError)
    assert str(lost).startswith(f"{pictures[0]}: the network's output is not finite")
    assert found.label == "red"
    assert found.probability == pytest.approx(np.exp(8 * 63 / 64) / (np.exp(8 * 63 / 64) + 2))
    with pytest.raises(PictureError, match="not finite"):
        classifier.predict(pictures)


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_predict_reports_it_as_a_picture_that_failed(odd, pictures, tmp_path, form) -> None:
    done = CliRunner().invoke(
        main, ["predict", str(odd), *pictures, "--format", form, *words(tmp_path)]
    )
    assert done.exit_code == 3, done.output
    assert "not finite" in done.output
    if form == "json":
        first, second = map(json.loads, done.stdout.splitlines())
        assert list(first) == ["path", "error"]
        assert second["label"] == "red"


def test_evaluate_leaves_it_out_and_counts_it(odd, pictures, tmp_path) -> None:
    done = CliRunner().invoke(
        main, ["evaluate", str(odd), str(tmp_path / "data"), "--json", *words(tmp_path)]
    )
    assert done.exit_code == 3, done.output
    found = json.loads(done.stdout)
    assert (found["images"], found["top1"], len(found["skipped"])) == (1, 1.0, 1)
    Path(pictures[1]).unlink()
    done = CliRunner().invoke(
        main, ["evaluate", str(odd), str(tmp_path / "data"), "--json", *words(tmp_path)]
    )
    assert (done.exit_code, "could be classified" in done.output) == (1, True), done.output


def test_explain_says_it_too(odd, pictures, tmp_path) -> None:
    done = CliRunner().invoke(
        main, ["explain", str(odd), pictures[0], "--out", str(tmp_path / "x"), *words(tmp_path)]
    )
    assert (done.exit_code, f"{pictures[0]}: the network's output" in done.output) == (1, True)


def test_the_server_refuses_that_picture(odd, pictures) -> None:
    config = ServeConfig((str(odd),), foreign=SAID)
    with TestClient(create_app(config)) as client:
        end = time.monotonic() + 100
        while client.get("/v2/health/ready").status_code != 200:
            assert time.monotonic() < end, "it is not ready"
            time.sleep(0.05)
        content = [Path(path).read_bytes() for path in pictures]
        lost, found = (client.post("/predict", content=one) for one in content)
        assert (lost.status_code, found.status_code) == (422, 200)
        assert "not finite" in lost.json()["error"]
        form = client.post("/predict", files=[("a", ("a", one)) for one in content]).json()
        assert ["error" in row for row in form["predictions"]] == [True, False]
        assert form["predictions"][1]["label"] == "red"
        pixels = np.asarray(Image.open(pictures[0]))[None]
        image = {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape)}
        asked = {"inputs": [{**image, "data": pixels.ravel().tolist()}]}
        tensor = client.post("/v2/models/odd/infer", json=asked)
        assert (tensor.status_code, "not finite" in tensor.json()["error"]) == (422, True)
        rows = np.stack([np.asarray(Image.open(path)) for path in reversed(pictures)])
        batch = {"name": "image", "datatype": "UINT8", "shape": list(rows.shape)}
        for path, asked in (
            ("/v2/models/odd/infer", {"inputs": [{**batch, "data": rows.ravel().tolist()}]}),
            ("/v1/models/odd:predict", {"instances": rows.tolist()}),
        ):
            error = client.post(path, json=asked).json()["error"]
            assert error.startswith("picture 1 (of 2, counted from 0): the network's output is not")


def test_a_class_that_is_ruled_out_is_no_fault(tmp_path, pictures) -> None:
    classifier = Classifier(network(tmp_path / "masked.onnx", RULED_OUT), foreign=SAID)
    [found] = classifier.predict(pictures[1:])
    assert (found.label, found.top[-1].label, found.top[-1].probability) == ("red", "blue", 0)
    assert np.isfinite(classifier.run(np.asarray(Image.open(pictures[1]))[None])[0]).all()
