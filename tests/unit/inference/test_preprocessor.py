"""Configurations beside a file: pictures are prepared as transformers and timm do.

The golden file holds what the image processors of transformers (5.24, those of Pillow) wrote as
their configuration, four of timm (1.0.31), and what these made of one picture.
"""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from PIL import Image

from kerascnn import Classifier, images
from kerascnn.card import Normalization
from kerascnn.cli import main
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference import ForeignModel

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden/transformers_preprocessing.json").read_text()
)
NAMES = ForeignModel(("red", "green", "blue"), outputs="logits")


def photograph() -> images.UInt8Array:
    coarse = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((97, 61), Image.Resampling.BICUBIC))


def graph(
    path: Path, *nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT,
    channels: int | str = 3, height: int | str = "h",
    width: int | str = "w",
) -> Path:  # fmt: skip
    """Write nodes from ``x``, of any size, to ``y``: without any, the mean of each channel."""
    mean = [
        helper.make_node("Cast", ["x"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["pixels"], ["m"]),
        helper.make_node("Flatten", ["m"], ["means"]),
    ]
    last = nodes or [helper.make_node("Identity", ["means"], ["y"])]
    ends = (
        helper.make_tensor_value_info("x", kind, ["n", channels, height, width]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3]),
    )
    built = helper.make_graph([*mean, *last], "g", ends[:1], ends[1:])
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("name", GOLDEN)
def test_pictures_are_prepared_as_their_library_does(name: str, tmp_path: Path) -> None:
    golden = GOLDEN[name]
    file = "config.json" if name.startswith("timm") else "preprocessor_config.json"
    (tmp_path / file).write_text(json.dumps(golden["config"]))
    signature = Classifier(graph(tmp_path / "m.onnx"), foreign=NAMES).signature
    card = signature.card
    assert list(card.shape) == golden["shape"]
    sized = images.prepare(photograph(), card.shape, card.resize_rule)
    (pixels,) = signature.feed(sized[None]).values()
    height, width = card.shape
    rows, columns = [0, 0, -1, -1, height // 2], [0, -1, 0, -1, width // 3]
    # A level of Pillow's is 1/255; the deviations make more of it.
    np.testing.assert_allclose(pixels[0][:, rows, columns], golden["corners"], atol=1e-4)
    np.testing.assert_allclose(pixels[0].mean((1, 2)), golden["mean"], atol=1e-4)


@pytest.mark.parametrize("folder", ["", "onnx"])  # "onnx": as repositories on the Hub have it
def test_a_configuration_names_the_classes(folder: str, tmp_path: Path, caplog) -> None:
    path = graph(tmp_path / folder / "m.onnx")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(GOLDEN["bit"]["config"]))
    names = {"2": "blue", "0": "red", "1": "green"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bit", "id2label": names}))
    found = Classifier(path)
    assert (found.classes, found.card.shape) == (NAMES.classes, (32, 32))
    assert "sets the class names" in caplog.text
    said = replace(NAMES, classes=("a", "b", "c"))
    assert Classifier(path, foreign=said).classes == said.classes
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match="`labels` FILE"):
        Classifier(path)


def test_a_graph_that_normalizes_by_itself_is_not_normalized_twice(tmp_path: Path) -> None:
    """As with preprocessing merged into the graph, beside the configuration of before."""
    (tmp_path / "config.json").write_text(json.dumps(GOLDEN["timm_vit"]["config"]))
    nodes = [
        helper.make_node("Constant", [], ["c"], value_float=255.0),
        helper.make_node("Div", ["x", "c"], ["unit"]),
        helper.make_node("GlobalAveragePool", ["unit"], ["of_unit"]),
        helper.make_node("Flatten", ["of_unit"], ["y"]),
    ]
    found = Classifier(graph(tmp_path / "m.onnx", *nodes), foreign=NAMES).card
    assert (found.normalization, found.shape) == (Normalization(), (32, 32))


@pytest.mark.parametrize("command", [["bench", "m.onnx", "--batch", "1"],
                                     ["score", "m.onnx", "p", "--out", "o"]])  # fmt: skip
def test_a_command_gives_these_notices_once(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GOLDEN["timm_vit"]["config"]))
    graph(tmp_path / "m.onnx")
    (tmp_path / "p").mkdir()
    Image.fromarray(photograph()).save(tmp_path / "p/a.png")
    done = subprocess.run(
        [sys.executable, "-m", "kerascnn", *command], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("sets the class names") == 1
    assert done.stderr.count("sets the resizing") == 1


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_models_that_do_not_choose_one_class_are_refused(problem: str, tmp_path: Path) -> None:
    config = {"id2label": {"0": "a", "1": "b", "2": "c"}, "problem_type": problem}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=problem):
        Classifier(graph(tmp_path / "m.onnx"))


@pytest.mark.parametrize("said", [None, NAMES])
def test_models_of_ultralytics_for_other_tasks_are_named(said, tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx")
    model = onnx.load(path)
    names = "{0: 'a', 1: 'b', 2: 'c'}"
    helper.set_model_props(model, {"author": "Ultralytics", "task": "detect", "names": names})
    onnx.save(model, path)
    with pytest.raises(ModelFileError, match=r"another task.*\(detect\)"):
        Classifier(path, foreign=said)


def test_a_fixed_size_comes_before_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GOLDEN["timm_vit"]["config"]))
    found = Classifier(graph(tmp_path / "m.onnx", height=24, width=24)).card
    assert (found.shape, found.resize_rule.crop_share) == ((24, 24), 0.9)


def test_timm_names_the_classes_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GOLDEN["timm_vit"]["config"]))
    assert Classifier(graph(tmp_path / "m.onnx")).classes == NAMES.classes
    shown = CliRunner().invoke(main, ["card", str(tmp_path / "m.onnx")]).output
    assert re.search(r"\(3\), config\.json +red, green, blue", shown)


@pytest.mark.parametrize(
    ("name", "text"),
    [("labels.txt", "0 red\n1 green\n2 blue\n"), ("class_indices.json", '{"green": 1, "red": 0, '
     '"blue": 2}'), ("signature.json", '{"classes": {"Label": ["red", "green", "blue"]}}')],
)  # fmt: skip
def test_a_list_of_names_beside_the_only_model_is_read(name, text, tmp_path, caplog) -> None:
    (tmp_path / name).write_text(text)
    path = graph(tmp_path / "m.onnx", height=8, width=8)
    red = np.full((1, 8, 8, 3), (255, 0, 0), np.uint8)
    classifier = Classifier(path, foreign=ForeignModel(normalize="unit", outputs="logits"))
    assert classifier.classes == NAMES.classes
    np.testing.assert_allclose(classifier.run(red)[1][0, 0], np.e / (np.e + 2), atol=1e-6)
    assert f"{name}: sets the class names; `labels` overrides them" in caplog.text
    assert Classifier(path, foreign=replace(NAMES, classes=("a", "b", "c"))).classes[0] == "a"
    assert f"(3), {name}" in CliRunner().invoke(main, ["card", str(path)]).output


def test_lists_of_names_that_may_be_of_another_model_are_named(tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx", height=8, width=8)
    listed = tmp_path / "labels.txt"
    listed.write_text("red\ngreen\nblue\n")
    (tmp_path / "classes.txt").write_text("red\nblue\ngreen\n")
    with pytest.raises(ConfigError, match=r"`labels` FILE is missing.*same folder: .*labels\.txt"):
        Classifier(path)
    (tmp_path / "classes.txt").unlink()
    graph(tmp_path / "other.onnx")
    with pytest.raises(ConfigError, match=r"same folder: .*labels\.txt"):
        Classifier(path, foreign=ForeignModel())
    listed.write_text("red\n\nblue\n")
    with pytest.raises(ConfigError, match=r"same folder: .*labels\.txt"):
        Classifier(path)


def test_open_channels_are_three_if_the_normalization_has_three(tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx", channels="num_channels", height="height")  # as optimum
    said = replace(NAMES, image_size=24, normalize="torch")
    assert Classifier(path, foreign=said).signature.channels == 3


def test_what_was_said_comes_before_the_file(tmp_path: Path) -> None:
    config = GOLDEN["bit"]["config"]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    said = replace(NAMES, image_size=40, normalize="unit", resize="squash")
    card = Classifier(graph(tmp_path / "m.onnx"), foreign=said).card
    assert (card.shape, card.resize_rule, card.normalization.std) == (
        (40, 40),
        "squash",
        (255,) * 3,
    )
    pixels = Classifier(graph(tmp_path / "b.onnx", kind=TensorProto.UINT8), foreign=NAMES).card
    assert pixels.normalization.std == (1, 1, 1)  # it takes bytes, and normalizes them itself


@pytest.mark.parametrize(
    "changes", [{"resample": 5}, {"size": {"longest_edge": 9}}, {"do_resize": False},
                {"size": {"height": 30, "width": 40}}, {"image_std": [0, 1]},
                {"image_std": 0}, {"rescale_factor": 0}],
)  # fmt: skip
def test_what_cannot_be_done_is_told_and_not_used(changes, tmp_path: Path, caplog) -> None:
    config = {**GOLDEN["bit"]["config"], **changes}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    card = Classifier(graph(tmp_path / "m.onnx"), foreign=replace(NAMES, image_size=24)).card
    assert (card.resize_rule, card.normalization.std) == ("squash", (1, 1, 1))
    assert "Set `resize`" in caplog.text


def dropout() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Constant", [], ["ratio"], value_float=0.5),
        helper.make_node("Constant", [], ["on"],
                         value=helper.make_tensor("v", TensorProto.BOOL, [], [True])),
        helper.make_node("Dropout", ["pixels", "ratio", "on"], ["some"]),
        helper.make_node("GlobalAveragePool", ["some"], ["of_some"]),
        helper.make_node("Flatten", ["of_some"], ["y"]),
    ]  # fmt: skip


def of_batch() -> list[onnx.NodeProto]:
    """As BatchNormalization in training: the mean of the batch is taken off."""
    return [
        helper.make_node("ReduceMean", ["means"], ["of_all"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["means", "of_all"], ["y"]),
    ]


@pytest.mark.parametrize("nodes", [dropout, of_batch])
def test_a_graph_as_in_training_is_refused(nodes, tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx", *nodes())
    with pytest.raises(ModelFileError, match=r"one picture differ by .* after model\.eval"):
        Classifier(path, foreign=replace(NAMES, image_size=24, normalize="unit"))


def test_scales_that_are_taken_from_a_batch_are_no_training(tmp_path: Path) -> None:
    """As onnxruntime's ``quantize_dynamic`` leaves them: answers differ by a step of theirs."""
    path = graph(
        tmp_path / "m.onnx",
        helper.make_node("Constant", [], ["factors"], value_floats=[1.0, 1.7, 1.4]),
        helper.make_node("Mul", ["means", "factors"], ["large"]),
        helper.make_node("DynamicQuantizeLinear", ["large"], ["q", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    )
    foreign = replace(NAMES, image_size=24, normalization=Normalization(std=(20.0, 20.0, 20.0)))
    assert Classifier(path, foreign=foreign).classes == NAMES.classes
