"""A Keras model made elsewhere keeps its way of sizing in the file that is exported."""

import keras
import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageOps

from kerascnn import Classifier
from kerascnn.inference import ForeignModel
from kerascnn.resizing import choose
from kerascnn.training.export.foreign import export_foreign

NAMES = ("a", "b", "c")


def _model(path, shape, arithmetic: bool):
    keras.utils.set_random_seed(0)
    pixels = x = keras.Input((*shape, 3))
    if arithmetic:
        x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(x))
    model.save(path)
    return model


@pytest.mark.parametrize("shape", [(12, 28), (16, 16), (None, None)], ids=str)
def test_the_exported_file_sizes_as_was_said(tmp_path, shape, caplog) -> None:
    model = _model(tmp_path / "m.keras", shape, arithmetic=True)
    size = (12, 28) if None in shape else shape
    foreign = ForeignModel(NAMES, size, sizing=choose("teachable-machine"))
    result = export_foreign(tmp_path / "m.keras", foreign, tmp_path / "m.onnx")
    assert "--normalize" not in caplog.text  # the graph has preprocess_input
    picture = np.random.default_rng(0).integers(0, 256, (50, 33, 3), np.uint8)
    fitted = ImageOps.fit(Image.fromarray(picture), size[::-1], Image.Resampling.LANCZOS)
    expected = model(np.asarray(fitted, np.float32)[None], training=False).numpy()[0]
    classifier = Classifier(result.path)
    assert classifier.card.shape == size
    [answer] = classifier.predict([picture])
    assert answer.probability == pytest.approx(float(expected.max()), abs=1e-4)
    session = onnxruntime.InferenceSession(result.path, providers=["CPUExecutionProvider"])
    raw = session.run(["probabilities"], {"image": picture[None]})[0][0]
    np.testing.assert_allclose(raw, expected, atol=1e-4)


def test_a_model_without_arithmetic_gets_the_advice(tmp_path, caplog) -> None:
    _model(tmp_path / "m.keras", (16, 16), arithmetic=False)
    export_foreign(tmp_path / "m.keras", ForeignModel(NAMES), tmp_path / "m.onnx")
    assert "`normalize` was not given" in caplog.text
