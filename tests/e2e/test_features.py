"""`kerascnn features` and `kerascnn explain` on a run, as a user types them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import load_dataset

pytestmark = pytest.mark.slow


def run(*words: object, code: int = 0):
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def boot() -> Path:
    Image.fromarray(load_dataset("fashion-mini").splits["test"].pictures[0]).save("boot.png")
    return Path("boot.png")


def test_features_of_every_block(trained, boot):
    told = json.loads(run("features", trained, boot, "--json").stdout)
    assert [one["block"] for one in told["blocks"]] == ["block1", "block2"]
    figure = Path("features.svg").read_text(encoding="utf-8")
    assert figure.count("<image") == 1 + 7 + 7 + 8
    assert "block2: 15 feature maps of 7 × 7, 8 shown" in figure


def test_features_of_one_block_as_png(trained, boot):
    assert "block2" in run("features", trained, boot, "--block", "block2", "-o", "f.png").stdout
    with Image.open("f.png") as figure:
        assert figure.size[0] > 700


def test_what_cannot_be_drawn_is_told(trained, boot):
    assert ".svg or .png" in run("features", trained, boot, "-o", "f.txt", code=2).stderr
    assert "block1, block2" in run("features", trained, boot, "--block", "x", code=2).stderr


def test_a_run_is_explained_by_gradients(trained, boot):
    assert "Ankle boot" in run("explain", trained, boot).stdout
    assert "Grad-CAM" in Path("explained/boot.svg").read_text(encoding="utf-8")
    assert "Sneaker" in Path("explained/boot.svg").read_text(encoding="utf-8")


def test_a_keras_file_made_elsewhere_is_explained_when_its_classes_are_said(boot):
    import keras

    image = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(image)
    flat = keras.layers.GlobalAveragePooling2D()(maps)
    keras.Model(image, keras.layers.Dense(2, activation="softmax")(flat)).save("other.keras")
    assert "needs --labels FILE" in run("explain", "other.keras", boot, code=2).stderr
    Path("names.txt").write_text("고양이\n개\n", encoding="utf-8")
    run("explain", "other.keras", boot, "--labels", "names.txt", "--normalize", "unit")
    figure = Path("explained/boot.svg").read_text(encoding="utf-8")
    assert ">고양이<" in figure
    assert "Grad-CAM" in figure


def test_labels_are_not_taken_for_a_run(trained, boot):
    Path("names.txt").write_text("a\nb\n", encoding="utf-8")
    assert "leave out" in run("explain", trained, boot, "--labels", "names.txt", code=2).stderr


def test_an_onnx_file_made_elsewhere_is_explained_when_its_classes_are_said(exported, boot):
    import onnx

    model = onnx.load(exported)
    card = next(one for one in model.metadata_props if one.key == "kerascnn")
    model.metadata_props.remove(card)
    onnx.save(model, "other.onnx")
    assert "--labels" in run("explain", "other.onnx", boot, code=1).stderr
    Path("names.txt").write_text("\n".join(f"부류 {n}" for n in range(10)), encoding="utf-8")
    run("explain", "other.onnx", boot, "--labels", "names.txt", "--image-size", 32)
    assert "부류 9" in Path("explained/boot.svg").read_text(encoding="utf-8")
