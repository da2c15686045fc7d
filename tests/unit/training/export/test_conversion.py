"""From a network to ONNX: grouped convolutions, and one clear line for what cannot be converted."""

import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.training.export.core import core_model

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE, CHANNELS = 9, 6


def network(middle, name="net"):
    entry = keras.Input((SIZE, SIZE, CHANNELS))
    x = layers.GlobalAveragePooling2D()(middle(entry))
    return keras.Model(entry, layers.Dense(3)(x), name=name)


@pytest.mark.parametrize(
    "options",
    [
        {"groups": 2},
        {"groups": 3, "strides": 2, "padding": "same", "use_bias": False},
        {"groups": 2, "dilation_rate": 2, "padding": "same", "activation": "relu"},
        {"groups": 6},
    ],
)
def test_grouped_convolutions_answer_as_keras_does(options) -> None:
    model = network(lambda x: layers.BatchNormalization()(layers.Conv2D(12, 3, **options)(x)))
    layer = model.layers[1]
    pixels = np.random.default_rng(0).random((4, SIZE, SIZE, CHANNELS), np.float32)
    core = core_model(model)
    assert [node.op_type for node in core.graph.node].count("Conv") == 1
    session = onnxruntime.InferenceSession(core.SerializeToString())
    found = session.run(None, {"pixels": pixels.transpose(0, 3, 1, 2)})[0]
    np.testing.assert_allclose(found, model.predict(pixels, verbose=0), atol=1e-5)
    assert "convolution_op" not in vars(layer)


def test_what_onnx_does_not_have_is_named_in_one_line() -> None:
    model = network(keras.ops.erfinv)
    with pytest.raises(ModelFileError, match="no operator for TensorFlow's Erfinv") as caught:
        core_model(model)
    assert "\n" not in str(caught.value)


def test_any_failure_of_the_converter_is_one_line(monkeypatch) -> None:
    import onnx.version_converter

    def fail(*_):
        raise RuntimeError("Assertion failed:\nno schema")

    monkeypatch.setattr(onnx.version_converter, "convert_version", fail)
    with pytest.raises(ModelFileError, match=r"cannot be converted to ONNX .*failed: no schema"):
        core_model(network(lambda x: x))


def test_on_another_backend_it_is_said_what_to_set(monkeypatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match=r"imported with jax\. Set KERAS_BACKEND=tensorflow"):
        core_model(network(lambda x: x))
