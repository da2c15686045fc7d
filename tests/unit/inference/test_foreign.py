"""An ``.onnx`` file that kerascnn did not make: how it wants its pictures, what it answers.

Most graphs here are the smallest that show one thing: a mean over the picture for each channel,
and a matrix on that. What they should answer is worked out in numpy.
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
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError, DataError, ModelFileError
from kerascnn.inference import ForeignModel, evaluate_file, read_labels
from kerascnn.inference.model_file.foreign import NORMALIZATIONS
from kerascnn.serving import ServeConfig, create_app

SIZE = 8
NAMES = ("red", "green", "blue", "dark")
WEIGHTS = np.asarray([[2, -1, 0, -1], [-1, 2, -1, -1], [0, -1, 2, -1]], np.float32)
BIAS = np.asarray([0, 0.1, 0.2, 0.3], np.float32)


def graph_file(
    path: Path,
    shape,
    layout="NCHW",
    last: str | None = "Softmax",
    dtype=TensorProto.FLOAT,
    output=("batch", 4),
    weights=WEIGHTS,
    bias=BIAS,
    scale: float = 1.0,
) -> Path:
    """Write pixels -> mean of each channel -> weights -> last operator."""
    axes = {"NCHW": [2, 3], "NHWC": [1, 2], "NHW": [1, 2]}[layout]
    channels = weights.shape[0]
    nodes = [
        helper.make_node("Cast", ["x"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=axes, keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["features"]),
        helper.make_node("Gemm", ["features", "w", "b"], ["z"]),
        helper.make_node(last or "Identity", ["z"], ["answer"], **({"axis": 1} if last in (
            "Softmax", "LogSoftmax") else {})),
        helper.make_node("Cast", ["answer"], ["y"], to=TensorProto.FLOAT),
    ]  # fmt: skip
    constants = {
        "w": weights, "b": bias, "scale": np.float32(scale),
        "flat": np.asarray([-1, channels], np.int64),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "elsewhere",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def expected(picture: np.ndarray, normalize="unit", scale=1.0) -> np.ndarray:
    """Work out the probabilities in numpy."""
    rule = NORMALIZATIONS[normalize]
    ordered = picture[..., ::-1] if rule.channel_order == "BGR" else picture
    means = ((ordered.astype(np.float64) - rule.mean) / rule.std).mean(axis=(0, 1)) * scale
    powers = np.exp(means @ WEIGHTS + BIAS)
    return powers / powers.sum()


def answer(path: Path, picture: np.ndarray, **said) -> np.ndarray:
    classes = said.pop("classes", NAMES)
    return Classifier(path, foreign=ForeignModel(classes, **said)).run(picture[None])[1][0]


@pytest.mark.parametrize(
    ("shape", "layout", "dtype", "normalize"),
    [
        (["n", 3, SIZE, SIZE], "NCHW", TensorProto.FLOAT, "unit"),
        (["n", SIZE, SIZE, 3], "NHWC", TensorProto.FLOAT, "unit"),
        (["n", 3, "h", "w"], "NCHW", TensorProto.FLOAT, "tf"),
        ([None, None, None, 3], "NHWC", TensorProto.FLOAT, "torch"),
        ([1, 3, SIZE, SIZE], "NCHW", TensorProto.FLOAT, "caffe"),
        ([3, SIZE, SIZE, 3], "NHWC", TensorProto.FLOAT16, "unit"),
        (["n", 3, SIZE, SIZE], "NCHW", TensorProto.DOUBLE, "unit"),
        (["n", SIZE, SIZE, 3], "NHWC", TensorProto.UINT8, None),
        (["n", 3, SIZE, SIZE], "NCHW", TensorProto.UINT8, None),
        (["n", SIZE, SIZE, 3], "NHWC", TensorProto.INT32, None),
        ([1, 3, SIZE, SIZE], "NCHW", TensorProto.INT64, None),
    ],
)
def test_layout_and_type_are_read_from_the_graph(
    shape, layout, dtype, normalize, tmp_path, picture
) -> None:
    scale = 1.0 if normalize else 1 / 255
    path = graph_file(tmp_path / "m.onnx", shape, layout, dtype=dtype, scale=scale)
    found = answer(path, picture, image_size=SIZE, normalize=normalize)
    tolerance = 2e-3 if dtype == TensorProto.FLOAT16 else 1e-6
    wanted = expected(picture, normalize or "none", scale)
    np.testing.assert_allclose(found, wanted, atol=tolerance)


def test_a_fixed_batch_is_filled_up_and_cut_again(tmp_path, picture) -> None:
    path = graph_file(tmp_path / "m.onnx", [3, SIZE, SIZE, 3], "NHWC", output=(3, 4))
    classifier = Classifier(path, foreign=ForeignModel(NAMES, normalize="unit"))
    batch = np.stack([np.roll(picture, shift, axis=2) for shift in range(3)] * 2 + [picture])
    logits, probabilities = classifier.run(batch)
    assert logits.shape == probabilities.shape == (7, 4)
    for row, one in zip(probabilities, batch, strict=True):
        np.testing.assert_allclose(row, expected(one), atol=1e-6)


@pytest.mark.parametrize("last", ["Softmax", "LogSoftmax", None])
def test_logits_and_probabilities_are_told_apart(last, tmp_path, picture) -> None:
    path = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE], last=last)
    classifier = Classifier(path, foreign=ForeignModel(NAMES, normalize="unit"))
    logits, probabilities = classifier.run(picture[None])
    np.testing.assert_allclose(probabilities[0], expected(picture), atol=1e-6)
    powers = np.exp(logits[0])
    np.testing.assert_allclose(powers / powers.sum(), probabilities[0], atol=1e-6)


def test_a_softmax_written_as_its_parts_is_known_by_its_values(tmp_path, picture) -> None:
    path = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE], last="Exp")
    model = onnx.load(path)
    cast = model.graph.node.pop()
    model.graph.node.extend(
        [
            helper.make_node("ReduceL1", [cast.input[0]], ["sum"], axes=[1], keepdims=1),
            helper.make_node("Div", [cast.input[0], "sum"], ["y"]),
        ]
    )
    onnx.save(model, path)
    np.testing.assert_allclose(answer(path, picture, normalize="unit"), expected(picture), 1e-5)


def test_one_sigmoid_is_the_second_of_two_classes(tmp_path, picture) -> None:
    weights, bias = WEIGHTS[:, :1], BIAS[:1] + 1
    z = (picture.astype(np.float64) / 255).mean(axis=(0, 1)) @ weights[:, 0] + bias[0]
    for last in ("Sigmoid", None):
        path = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE], last=last, weights=weights,
                          bias=bias, output=("n", 1))  # fmt: skip
        found = answer(path, picture, classes=("no", "yes"), normalize="unit")
        np.testing.assert_allclose(found, [1 - 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(-z))], 1e-5)


def test_several_sigmoids_are_divided_by_their_sum(tmp_path, picture) -> None:
    path = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE], last="Sigmoid")
    z = (picture.astype(np.float64) / 255).mean(axis=(0, 1)) @ WEIGHTS + BIAS
    shares = 1 / (1 + np.exp(-z))
    found = answer(path, picture, normalize="unit")
    np.testing.assert_allclose(found, shares / shares.sum(), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [(["n", 1, SIZE, SIZE], "NCHW"), (["n", SIZE, SIZE, 1], "NHWC"), (["n", SIZE, SIZE], "NHW")],
)
def test_gray_models_get_what_pillow_calls_gray(shape, layout, tmp_path, picture) -> None:
    path = graph_file(tmp_path / "m.onnx", shape, layout, None, weights=WEIGHTS[:1])
    classifier = Classifier(path, foreign=ForeignModel(NAMES, normalize="unit"))
    assert classifier.card.normalization.channel_order == "grey"
    gray = np.asarray(Image.fromarray(picture).convert("L"), np.float64)
    logits = classifier.run(picture[None])[0][0]
    np.testing.assert_allclose(logits, gray.mean() / 255 * WEIGHTS[0] + BIAS, atol=1e-6)
    with pytest.raises(ConfigError, match="gray"):
        answer(path, picture, normalize="torch")


def test_what_is_missing_or_does_not_fit_is_said(tmp_path, picture) -> None:
    dynamic = graph_file(tmp_path / "d.onnx", ["n", 3, "h", "w"])
    fixed = graph_file(tmp_path / "f.onnx", ["n", 3, SIZE, SIZE])
    open_ended = graph_file(tmp_path / "x.onnx", ["n", 3, SIZE, SIZE], output=("batch", "k"))
    either = graph_file(tmp_path / "e.onnx", ["n", "a", "b", "c"])
    oblong = graph_file(tmp_path / "o.onnx", ["n", 3, SIZE, 2 * SIZE])
    rgba = graph_file(tmp_path / "4.onnx", ["n", 4, SIZE, SIZE], weights=np.eye(4, dtype="f4"))
    whole = graph_file(tmp_path / "w.onnx", ["n", 3, SIZE, SIZE], dtype=TensorProto.INT32)
    rows = graph_file(tmp_path / "r.onnx", ["n", SIZE, SIZE], "NHW", dtype=TensorProto.INT64)
    video = graph_file(tmp_path / "v.onnx", ["n", 3, SIZE, SIZE, 1])
    bytes_in = graph_file(tmp_path / "u.onnx", ["n", 3, SIZE, SIZE], dtype=TensorProto.UINT8)
    single = graph_file(tmp_path / "s.onnx", [3, SIZE, SIZE], "NHW")
    cases = [
        (single, ForeignModel(NAMES), ModelFileError, "one picture without a batch axis"),
        (dynamic, None, ModelFileError, "`labels`"),
        (dynamic, ForeignModel(NAMES), ConfigError, "`image_size` is missing"),
        (fixed, ForeignModel(NAMES, 32), ModelFileError, "Is `image_size` right"),
        (fixed, ForeignModel((*NAMES, "more")), ModelFileError, "5 classes named. Give `labels`"),
        (fixed, ForeignModel(NAMES[:1]), ConfigError, "only one class is named, red"),
        (fixed, ForeignModel(NAMES[1:]), ModelFileError, "`background` as the first"),
        (open_ended, ForeignModel(NAMES[1:]), ModelFileError, "`background` as the first"),
        (oblong, ForeignModel(NAMES, SIZE), ModelFileError, "Is `image_size` right"),
        (video, ForeignModel(NAMES), ModelFileError, "expected one input of pictures"),
        (bytes_in, ForeignModel(NAMES, normalize="tf"), ConfigError, "normalizes them itself"),
        (whole, ForeignModel(NAMES, normalize="unit"), ConfigError, "takes pixels as int32, so it"),
        (rgba, ForeignModel(NAMES), ModelFileError, "3 or 1 channels. If it takes RGBA"),
        (rgba, ForeignModel(NAMES, SIZE), ModelFileError, "3 or 1 channels. If it takes RGBA"),
        (rows, ForeignModel(NAMES), ModelFileError, "for pictures, export it again with a channel"),
        (tmp_path / "no.onnx", ForeignModel(NAMES), ModelFileError, "no such file"),
    ]
    for path, said, kind, words in cases:
        with pytest.raises(kind, match=words):
            Classifier(path, foreign=said)
    with pytest.raises(ModelFileError, match="so the layout is ambiguous"):
        Classifier(either, foreign=ForeignModel(NAMES, 3))  # 3 x 3 x 3 is both


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("input_ids", TensorProto.INT64, ["n", 7]), ("mask", TensorProto.INT64, ["n", 7])],
         "model for text"),
        ([("bytes", TensorProto.STRING, ["n"])], "decodes pictures or text itself"),
        ([("x", TensorProto.FLOAT, ["n", 3, SIZE, SIZE]), ("age", TensorProto.FLOAT, ["n", 1])],
         "pictures and something else"),
        ([("x", TensorProto.FLOAT, ["n", SIZE, SIZE, 3]),  # as model.export of Keras 3.15
          ("f/normalization/Sub/y:0", TensorProto.FLOAT, [1, 1, 1, 3])], "constants that the"),
        ([("X", TensorProto.FLOAT, ["n", 192])], "rows of numbers"),
        ([("x", TensorProto.FLOAT, ["n", 3, 4, SIZE, SIZE])], "video or volumes"),
    ],
)  # fmt: skip
def test_models_of_other_things_are_told_by_their_inputs(inputs, words, tmp_path) -> None:
    ends = [helper.make_tensor_value_info(*one) for one in inputs]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    node = helper.make_node("RandomNormal", [], ["y"], shape=[2, 4])
    model = helper.make_model(
        helper.make_graph([node], "g", ends, [y]),
        opset_imports=[helper.make_opsetid("", 15)], ir_version=8,
    )  # fmt: skip
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=f"expected one input of pictures.*{words}"):
        Classifier(tmp_path / "m.onnx", foreign=ForeignModel(NAMES))


def test_numbers_that_onnxruntime_does_not_compute_with_are_told(tmp_path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)
            for name, shape in (("x", ["n", 3, SIZE, SIZE]), ("y", ["n", 4, 1, 1]))]  # fmt: skip
    weights = numpy_helper.from_array(np.zeros((4, 3, SIZE, SIZE)), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    model = helper.make_model(
        helper.make_graph([node], "g", ends[:1], ends[1:], [weights]),
        opset_imports=[helper.make_opsetid("", 15)], ir_version=8,
    )  # fmt: skip
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="export it in float32"):
        Classifier(tmp_path / "m.onnx", foreign=ForeignModel(NAMES))


def test_operators_that_keras_left_as_tensorflows_are_told(tmp_path) -> None:
    """As model.export writes augmentation, and grouped convolutions on a CPU."""
    file = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE])
    model = onnx.load(file)
    model.graph.node[0].op_type = "StatefulPartitionedCall"
    del model.graph.node[0].attribute[:]
    onnx.save(model, file)
    with pytest.raises(ModelFileError, match=r"of TensorFlow.*kerascnn export model\.keras --onnx"):
        Classifier(file, foreign=ForeignModel(NAMES))


def test_operators_of_onnxruntime_extensions_are_told(tmp_path) -> None:
    file = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE])
    model = onnx.load(file)
    model.graph.node[0].op_type, model.graph.node[0].domain = "DecodeImage", "ai.onnx.contrib"
    del model.graph.node[0].attribute[:]
    model.opset_import.append(helper.make_opsetid("ai.onnx.contrib", 1))
    onnx.save(model, file)
    with pytest.raises(ModelFileError, match="of onnxruntime-extensions, which kerascnn does not"):
        Classifier(file, foreign=ForeignModel(NAMES, normalize="unit"))


def test_open_channels_are_found_by_trying(tmp_path, picture, capfd) -> None:
    for layout in ("NCHW", "NHWC"):
        path = graph_file(tmp_path / "m.onnx", ["n", "a", "b", "c"], layout)
        found = answer(path, picture, image_size=SIZE, normalize="unit")
        np.testing.assert_allclose(found, expected(picture), atol=1e-6)
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    "shape", [["?", 3, "?", "?"], [None, 3, "?", "?"], ["N", 3, "N", "N"], ["?", "?", "?", "?"]]
)
@pytest.mark.parametrize("size", [SIZE, (SIZE, 2 * SIZE)])
def test_one_name_of_several_axes_is_no_size(shape, size, tmp_path, picture, capfd) -> None:
    path = graph_file(tmp_path / "m.onnx", shape, output=("?", 4))
    wide = np.tile(picture, (1, 2, 1)) if isinstance(size, tuple) else picture
    found = answer(path, wide, image_size=size, normalize="unit")
    np.testing.assert_allclose(found, expected(picture), atol=1e-6)
    assert not capfd.readouterr().err


def test_pixels_that_nobody_spoke_of_are_warned_of(tmp_path, picture, caplog) -> None:
    path = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE])
    answer(path, picture)
    assert "`normalize` was not given" in caplog.text
    caplog.clear()
    answer(path, picture, normalize="none")
    assert not caplog.text


def test_an_image_scaler_takes_pixels_as_they_are(tmp_path, picture, caplog) -> None:
    model = onnx.load(graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE]))
    scaler = helper.make_node("ImageScaler", ["x"], ["moved"], scale=0.5, bias=[-99.0, 0.0, 1.0])
    model.graph.node[0].input[0] = "moved"
    model.graph.node.insert(0, scaler)
    model.opset_import[0].version = 9  # the last that has it
    onnx.save(model, tmp_path / "m.onnx")
    answer(tmp_path / "m.onnx", picture)
    assert "`normalize` was not given" not in caplog.text


@pytest.mark.parametrize(
    ("kind", "number", "warns"),
    [("Sub", 0.485, True), ("Mul", 2.0, True), ("Add", -0.5, True), ("Div", 0.225, True),
     ("Sub", 123.68, False), ("Mul", 1 / 255, False), ("Div", 127.5, False), ("Add", -104, False)],
)  # fmt: skip
@pytest.mark.parametrize("stored", ["initializer", "node"])
def test_arithmetic_on_pixels_tells_their_range(
    kind, number, warns, stored, tmp_path, picture, caplog
) -> None:
    path = graph_file(tmp_path / "m.onnx", ["n", 3, SIZE, SIZE])
    model = onnx.load(path)
    constant = np.full((1, 3, 1, 1), number, np.float32)
    if stored == "initializer":
        model.graph.initializer.append(numpy_helper.from_array(constant, "number"))
    else:
        value = numpy_helper.from_array(constant)
        model.graph.node.insert(0, helper.make_node("Constant", [], ["number"], value=value))
    model.graph.node.insert(1, helper.make_node(kind, ["x", "number"], ["moved"]))
    next(one for one in model.graph.node if one.op_type == "Cast").input[0] = "moved"
    onnx.save(model, path)
    answer(path, picture)
    assert ("`normalize` was not given" in caplog.text) == warns


def test_labels_are_one_a_line(tmp_path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes("\ufeffchat\r\ncafe\u0301\r\n 고양이 \r\n\r\n".encode())
    assert read_labels(file) == ("chat", "caf\u00e9", "고양이")
    for text, words in [("a\n\nb", "line 2: empty"), ("", "line 1")]:
        file.write_text(text)
        with pytest.raises(DataError, match=words):
            read_labels(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        read_labels(file)
    with pytest.raises(DataError, match="cannot read"):
        read_labels(tmp_path / "none.txt")


@pytest.fixture(scope="module")
def elsewhere(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained network as tf2onnx writes it: no card, float, NHWC, one softmax."""
    import tensorflow as tf
    import tf2onnx

    from kerascnn import training

    path = tmp_path_factory.mktemp("elsewhere") / "clothes.onnx"
    run = training.open_run(trained)
    model, temperature = run.load_model(), run.card.temperature
    signature = [tf.TensorSpec((None, 32, 32, 3), tf.float32, name="x")]
    function = tf.function(
        lambda x: tf.nn.softmax(model(x) / temperature), input_signature=signature
    )
    tf2onnx.convert.from_function(function, signature, opset=13, output_path=str(path))
    return path


def test_a_real_file_made_elsewhere_answers_as_our_own(elsewhere, exported, tmp_path) -> None:
    ours = Classifier(exported)
    said = ForeignModel(ours.classes, ours.card.image_size, "tf", ours.card.resize)
    theirs = Classifier(elsewhere, foreign=said)
    data = load_dataset("fashion-mini")
    mine = evaluate_file(ours, data).to_dict()
    same = ("images", "top1", "top5", "confusion", "balanced_accuracy", "split", "skipped")
    assert {key: evaluate_file(theirs, data).to_dict()[key] for key in same} == {
        key: mine[key] for key in same
    }
    assert mine["top1"] > 0.5

    labels = tmp_path / "names.txt"
    labels.write_text("\n".join(ours.classes))
    options = ["--labels", labels, "--image-size", 32, "--normalize", "tf", "--resize", "pad"]
    run = CliRunner().invoke
    wanted = run(main, ["evaluate", str(exported), "fashion-mini", "--json"])
    found = run(main, ["evaluate", str(elsewhere), "fashion-mini", "--json", *map(str, options)])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["confusion"] == json.loads(wanted.stdout)["confusion"]
    words = map(str, ["evaluate", elsewhere, "fashion-mini", "--compare", exported, *options])
    compared = run(main, [*words, "--json"])
    assert compared.exit_code == 0, compared.output
    assert json.loads(compared.stdout)["changed"] == []
    assert json.loads(compared.stdout)["largest_difference"] < 1e-5

    Image.fromarray(data.splits["test"].pictures[0]).save("shirt.png")
    wanted = run(main, ["predict", str(exported), "shirt.png", "--json"])
    found = run(main, ["predict", str(elsewhere), "shirt.png", "--json", *map(str, options)])
    assert found.exit_code == 0, found.output
    row, own = json.loads(found.stdout), json.loads(wanted.stdout)
    assert row["label"] == own["label"]
    assert row["probability"] == pytest.approx(own["probability"], abs=1e-5)

    own_labels = run(main, ["predict", str(exported), "shirt.png", *map(str, options)])
    assert (own_labels.exit_code, "kerascnn exported it" in own_labels.output) == (2, True)
    bare = run(main, ["predict", str(elsewhere), "shirt.png"])
    assert (bare.exit_code, "--labels" in bare.output) == (1, True)
    half = run(main, ["predict", str(elsewhere), "shirt.png", "--image-size", "32"])
    assert (half.exit_code, "--labels FILE is missing" in half.output) == (2, True)


def test_a_file_made_elsewhere_is_served_as_it_predicts(elsewhere, exported, tmp_path) -> None:
    names = Classifier(exported).classes
    said = ForeignModel(names, 32, "tf", "pad")
    picture = load_dataset("fashion-mini").splits["test"].pictures[0]
    Image.fromarray(picture).save(tmp_path / "shirt.png")
    expected = Classifier(elsewhere, foreign=said).predict([tmp_path / "shirt.png"])[0].to_dict()
    config = ServeConfig((str(elsewhere),), copies=2, foreign=said)
    with TestClient(create_app(config)) as client:
        end = time.monotonic() + 100
        while client.get("/v2/health/ready").status_code != 200:
            assert time.monotonic() < end, "it is not ready"
            time.sleep(0.05)
        found = client.post("/predict", content=(tmp_path / "shirt.png").read_bytes()).json()
        pixels = np.asarray(Image.fromarray(picture).convert("RGB"))[None]
        image = {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape)}
        asked = {"inputs": [{**image, "data": pixels.ravel().tolist()}]}
        outputs = client.post("/v2/models/clothes/infer", json=asked).json()["outputs"]
    assert [row["label"] for row in found["top"]] == [row["label"] for row in expected["top"]]
    assert found["probability"] == pytest.approx(expected["probability"], abs=1e-5)
    tensors = {output["name"]: output["data"] for output in outputs}
    assert names[int(np.argmax(tensors["probabilities"]))] == expected["label"]
    assert int(np.argmax(tensors["logits"])) == int(np.argmax(tensors["probabilities"]))


def test_serve_asks_for_what_a_file_made_elsewhere_does_not_say(
    elsewhere, exported, tmp_path
) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text("\n".join(Classifier(exported).classes))
    for words, code, told in (
        ([elsewhere], 1, "--labels FILE"),
        ([elsewhere, "--image-size", 32], 2, "--labels FILE is missing"),
        ([elsewhere, exported, "--labels", labels], 2, "serve it alone"),
        ([exported, "--labels", labels], 2, "kerascnn exported it"),
    ):
        found = CliRunner().invoke(main, ["serve", *map(str, words), "--port", "0"])
        assert (found.exit_code, told in found.output) == (code, True), found.output
