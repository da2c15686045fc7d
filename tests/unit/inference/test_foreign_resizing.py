"""An ``.onnx`` made elsewhere whose pictures were sized by another library, or are not square."""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, load, numpy_helper, save
from PIL import Image, ImageOps
from starlette.testclient import TestClient

from kerascnn import Classifier
from kerascnn.card import ModelCard
from kerascnn.cli import main
from kerascnn.inference import ForeignModel
from kerascnn.resizing import PRESETS, choose
from kerascnn.serving import ServeConfig, create_app

HEIGHT, WIDTH = 6, 14
NAMES = ("left", "right")


def _file(path, height, width, weights=None, shift=None):
    """Write pixels -> weights on each pixel of the first channel -> two logits."""
    if weights is None:
        weights = np.random.default_rng(1).normal(size=(HEIGHT * WIDTH, 2)).astype(np.float32)
    constants = {"w": weights, "start": np.array([0]), "stop": np.array([1]), "axis": np.array([3])}
    constants["flat"] = np.array([-1, len(weights)])
    constants["shift"] = np.float32(shift or 0)
    source = "x" if shift is None else "shifted"
    nodes = [
        *([helper.make_node("Sub", ["x", "shift"], ["shifted"])] if shift is not None else []),
        helper.make_node("Slice", [source, "start", "stop", "axis"], ["red"]),
        helper.make_node("Reshape", ["red", "flat"], ["features"]),
        helper.make_node("MatMul", ["features", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", height, width, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path, weights


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES))
    return path


@pytest.mark.parametrize(
    "sides", [("h", "w"), (HEIGHT, WIDTH), (HEIGHT, "w"), (None, None)], ids=str
)
def test_an_input_that_is_not_square_gets_its_own_size(tmp_path, picture, sides) -> None:
    path, weights = _file(tmp_path / "m.onnx", *sides)
    classifier = Classifier(path, foreign=ForeignModel(NAMES, (HEIGHT, WIDTH), "none"))
    assert classifier.card.shape == (HEIGHT, WIDTH)
    sized = np.asarray(Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
    logits = sized[..., 0].reshape(-1).astype(np.float64) @ weights
    expected = np.exp(logits - logits.max())
    found = {one.label: one.probability for one in classifier.predict([picture])[0].top}
    for name, share in zip(NAMES, expected / expected.sum(), strict=True):
        assert found[name] == pytest.approx(share, abs=1e-4)


def test_the_server_sizes_as_was_said(tmp_path, picture) -> None:
    path, _ = _file(tmp_path / "m.onnx", "h", "w")
    foreign = ForeignModel(NAMES, (HEIGHT, WIDTH), "none", sizing=choose("teachable-machine"))
    classifier = Classifier(path, foreign=foreign)
    fitted = ImageOps.fit(Image.fromarray(picture), (WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    expected = classifier.run(np.asarray(fitted)[None])[1][0]
    Image.fromarray(picture).save(tmp_path / "p.png")
    app = create_app(ServeConfig(models=(str(path),), foreign=foreign))
    with TestClient(app) as client:
        while client.get("/v2/health/ready").status_code != 200:
            time.sleep(0.05)
        body = (tmp_path / "p.png").read_bytes()
        answer = client.post("/v1/models/m/predict", content=body).json()
    assert answer["probability"] == pytest.approx(float(expected.max()), abs=1e-5)


def test_predict_says_in_one_line_how_pictures_are_sized(tmp_path, picture, labels) -> None:
    path, weights = _file(tmp_path / "m.onnx", "h", "w")
    Image.fromarray(picture).save(tmp_path / "p.png")
    words = f"predict {path} {tmp_path / 'p.png'} --labels {labels} --image-size {HEIGHT}x{WIDTH}"
    more = ["--json", "--filter", "bicubic", "--mean", "0.5", "--std", "0.25,0.5,0.5"]
    result = CliRunner().invoke(main, [*words.split(), *more])
    assert result.exit_code == 0, result.output
    [line] = [
        line
        for line in result.stderr.splitlines()
        if "If the model was trained with another method" in line
    ]
    assert "6 x 14" in line and "bicubic" in line
    assert "--normalize" not in result.stderr
    sized = np.asarray(Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    logits = ((sized[..., 0] / 255 - 0.5) / 0.25).reshape(-1) @ weights
    answer = json.loads(result.stdout)
    assert answer["label"] == NAMES[int(logits.argmax())]
    shares = np.exp(logits - logits.max())
    assert answer["probability"] == pytest.approx((shares / shares.sum()).max(), abs=1e-4)


def test_a_graph_that_normalizes_gets_no_advice_to(tmp_path, picture, capfd) -> None:
    for shift, told in ((None, True), (127.5, False)):
        path, _ = _file(tmp_path / "m.onnx", HEIGHT, WIDTH, shift=shift)
        result = CliRunner().invoke(main, ["predict", str(path), "x.png"])
        Classifier(path, foreign=ForeignModel(NAMES))
        assert ("`normalize` was not given" in capfd.readouterr().err) is told, result


def _sees_one_pixel(path: Path, weight: float) -> Path:
    """Write a model of 32 x 32 pixels whose class is whether one of them is bright."""
    weights = np.zeros((32 * 32, 2), np.float32)
    weights[5 * 32 + 7] = (-weight, weight)
    return _file(path, 32, 32, weights, shift=127.5)[0]


def _save_labeled(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Save pictures in class folders, by that pixel of their Lanczos crop."""
    numbers = np.random.default_rng(3)
    for name in NAMES:
        (folder / name).mkdir(parents=True)
    for index in range(count):
        picture = Image.fromarray(numbers.integers(0, 256, (*size, 3), np.uint8))
        sized = ImageOps.fit(picture, (32, 32), Image.Resampling.LANCZOS)
        name = NAMES[int(np.asarray(sized)[5, 7, 0] > 127.5)]
        picture.save(folder / name / f"{index}.png")


def test_try_resizing_names_the_one_that_fits(tmp_path, labels) -> None:
    # The class is whether one pixel of the Lanczos crop is bright: other ways see another pixel.
    path = _sees_one_pixel(tmp_path / "m.onnx", 1)
    _save_labeled(tmp_path / "data", 40, (50, 90))
    words = ["evaluate", str(path), str(tmp_path / "data"), "--labels", str(labels)]
    result = CliRunner().invoke(main, [*words, "--try-resizing", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["best"] == "--like teachable-machine"
    assert found["images"] == 40
    assert found["trials"][0]["top1"] == 1.0 > found["trials"][1]["top1"]
    shown = CliRunner().invoke(main, [*words, "--try-resizing"])
    assert "fits best on 40 pictures: --like teachable-machine" in shown.stdout
    cross_entropy = -found["trials"][0]["log_likelihood"]
    assert f"100.00%  {cross_entropy:8.3f} nats  --like teachable-machine" in shown.stdout


@pytest.mark.parametrize("sees", [True, False])
def test_try_resizing_says_what_these_pictures_do_not_tell(sees: bool, tmp_path, labels) -> None:
    """Pictures of the model's own size are resized only by what crops first."""
    path = _sees_one_pixel(tmp_path / "m.onnx", float(sees))
    _save_labeled(tmp_path / "data", 20, (32, 32))
    words = ["evaluate", str(path), str(tmp_path / "data"), "--labels", str(labels)]
    shown = CliRunner().invoke(main, [*words, "--try-resizing"]).stdout
    if not sees:
        assert "the methods give the same predictions on 20 pictures" in shown
        assert "fits best" not in shown
        return
    last = shown.splitlines()[-1]
    assert "tied with " in last and "--resize squash --filter bicubic" in last
    assert "--crop-share 0.875" not in last
    found = json.loads(CliRunner().invoke(main, [*words, "--try-resizing", "--json"]).stdout)
    assert "--resize squash --filter lanczos" in [found["best"], *found["equal"]]


def test_cards_carry_sizing_and_old_ones_mean_what_they_meant() -> None:
    for (name, preset), width in itertools.product(PRESETS.items(), (None, 64)):
        rule = preset.sizing
        card = ModelCard(name, "n", NAMES, 32, rule.resize, image_width=width, sizing=rule)
        again = ModelCard.from_json(card.to_json())
        assert again == card
        assert json.loads(card.to_json())["schema"] == 2  # a reader of schema 1 must refuse it
    plain = ModelCard("a", "b", NAMES, 32, "crop")
    assert not {"sizing", "image_width"} & set(json.loads(plain.to_json()))
    assert json.loads(plain.to_json())["schema"] == 1
    assert plain.resize_rule == "crop"


@pytest.mark.parametrize("size", ["48x", "x", "0x4", "4x4x4", "wide"])
def test_an_image_size_that_is_none_is_refused(size, labels, tmp_path) -> None:
    words = ["predict", "m.onnx", "p.png", "--labels", str(labels), "--image-size", size]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "48x192" in result.output


def _with_metadata(path, **said):
    model = load(path)
    for key, value in said.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    save(model, path)


ULTRALYTICS = {"author": "Ultralytics", "task": "classify", "names": "{0: 'left', 1: 'right'}"}


def test_a_file_of_ultralytics_is_sized_as_ultralytics_sizes(tmp_path, picture) -> None:
    weights = np.random.default_rng(2).normal(size=(64, 2)).astype(np.float32)
    path, _ = _file(tmp_path / "m.onnx", 8, 8, weights)
    _with_metadata(path, imgsz="[8, 8]", **ULTRALYTICS)
    Image.fromarray(picture).save(tmp_path / "p.png")
    result = CliRunner().invoke(main, ["predict", str(path), str(tmp_path / "p.png"), "--json"])
    found = {one["label"]: one["probability"] for one in json.loads(result.stdout)["top"]}
    # Resize(8), CenterCrop(8), ToTensor: 40 x 70 becomes 8 x 14, of which 3 are cut off each side.
    sized = np.asarray(Image.fromarray(picture).resize((14, 8), Image.Resampling.BILINEAR))
    logits = sized[:, 3:11, 0].reshape(-1) / 255.0 @ weights.astype(np.float64)
    expected = np.exp(logits - logits.max())
    assert [found[name] for name in NAMES] == pytest.approx(expected / expected.sum(), abs=1e-5)
    assert "center-cropped to 8 x 8 (all of the shorter side" in result.stderr


def test_what_its_user_says_of_a_file_of_ultralytics_holds(tmp_path, labels) -> None:
    path, _ = _file(tmp_path / "m.onnx", "h", "w")
    _with_metadata(path, imgsz=str([HEIGHT, WIDTH]), **ULTRALYTICS)
    assert Classifier(path).card.shape == (HEIGHT, WIDTH)
    card = Classifier(path, foreign=ForeignModel(("a", "b"), resize="pad", normalize="tf")).card
    assert (card.classes, card.resize_rule.resize) == (("a", "b"), "pad")
    assert card.normalization.mean == (127.5, 127.5, 127.5)
    assert Classifier(path, foreign=ForeignModel(sizing=choose("timm"))).card.resize_rule == choose(
        "timm"
    )
