"""A model file that holds code, or names some, is refused before anything of it runs.

The code in these files would touch a marker; that it would is shown first, with Keras itself.
"""

import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tf_keras
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.errors import ModelFileError
from kerascnn.inference import ForeignModel
from kerascnn.training.foreign.container import read_architecture
from kerascnn.training.foreign.loading import load_foreign

MARKER = Path("/tmp") / f"kerascnn-test-marker-{np.random.SeedSequence().entropy}"
AB = ForeignModel(("a", "b"), normalize="none")


@pytest.fixture(autouse=True)
def marker():
    MARKER.unlink(missing_ok=True)
    yield MARKER
    MARKER.unlink(missing_ok=True)


def network(library, middle) -> object:
    layers = library.layers
    entry = library.Input((8, 8, 3))
    x = middle(entry) if middle else entry
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return library.Model(entry, layers.Dense(2, activation="softmax", name="head")(x))


def malicious(library):
    """Make a Lambda layer whose code touches the marker; a copy of the name goes into the code."""
    code = compile(f"lambda x: (open({str(MARKER)!r}, 'w').close(), x)[1]", "<file>", "eval")
    return library.layers.Lambda(eval(code), name="innocent")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras3", "keras2"])
@pytest.mark.filterwarnings("ignore")
def test_marshalled_code_does_not_run(library, suffix, tmp_path, marker) -> None:
    path = tmp_path / f"bad{suffix}"
    network(library, malicious(library)).save(path)
    marker.unlink()
    with pytest.raises(ModelFileError, match=r"Lambda layer \('innocent'\).*runs no code"):
        load_foreign(path, AB)
    labels = tmp_path / "names.txt"
    labels.write_text("a\nb")
    command = ["export", str(path), "--onnx", "--labels", str(labels)]
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, "Lambda" in result.output) == (1, True)
    assert not marker.exists()
    # The proof that it could have run: whoever trusts the file runs it.
    options = {"safe_mode": False} if suffix == ".keras" or library is keras else {}
    loader = library.models.load_model
    loader(path, compile=False, **options)(np.zeros((1, 8, 8, 3), np.float32))
    assert marker.exists()


@keras.saving.register_keras_serializable("elsewhere")
class OfMyOwn(keras.layers.Layer):
    def __init__(self, **options):
        MARKER.touch()
        super().__init__(**options)

    def call(self, x):
        return x


@keras.saving.register_keras_serializable("elsewhere")
def of_my_own(x):
    MARKER.touch()
    return x


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_custom_objects_do_not_run_though_they_are_registered(suffix, tmp_path, marker) -> None:
    layer, function = tmp_path / f"layer{suffix}", tmp_path / f"function{suffix}"
    network(keras, OfMyOwn(name="mine")).save(layer)
    network(keras, keras.layers.Activation(of_my_own, name="mine")).save(function)
    marker.unlink()
    with pytest.raises(ModelFileError, match=r"custom object .*OfMyOwn"):
        load_foreign(layer, AB)
    with pytest.raises(ModelFileError, match=r"of_my_own|Unknown|Could not"):
        load_foreign(function, AB)
    assert not marker.exists()


def function(module: str | None, name: str) -> dict:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def layer(module: str | None, name: str, **config) -> dict:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


CRAFTED = {
    "a function of os": (function("os", "system"), "custom function 'system'"),
    "a built-in": (function("builtins", "eval"), "custom function 'eval'"),
    "Keras' downloader": (function("keras.utils", "get_file"), "custom function 'get_file'"),
    "Keras' own switch": (
        function("keras.config", "enable_unsafe_deserialization"),
        "custom function 'enable_unsafe",
    ),
    "a bare lambda": ({"class_name": "__lambda__", "config": {"value": "4wEA"}}, "Lambda"),
    "a type from elsewhere": ({"class_name": "__typespec__", "config": []}, "custom object"),
    "a saved graph": (layer("keras.layers", "TFSMLayer", filepath="/etc"), "loads other files"),
    "a pickle": (layer("keras.layers", "TorchModuleWrapper", trainable=True), "loads other files"),
    "a vocabulary": (
        layer("keras.layers", "StringLookup", vocabulary="/etc/passwd"),
        "loads other",
    ),
    "a module on the path": (layer("evil_module", "Evil"), "custom object 'Evil'"),
    "such a one within Keras": (layer("keras.src.evil", "Evil"), "custom object 'Evil'"),
    "a class that is no layer": (layer("keras.utils", "Sequence"), "custom object 'Sequence'"),
    "a registered name": (
        {**layer("keras.layers", "Dense"), "registered_name": "elsewhere>OfMyOwn"},
        "custom object 'elsewhere>OfMyOwn'",
    ),
    "no name": ({"class_name": 7, "config": {}}, "is not text"),
    "TensorFlow's files": (
        layer(None, "TFOpLambda", function="io.read_file"),
        "TensorFlow's io.read_file",
    ),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("case", CRAFTED)
@pytest.mark.filterwarnings("ignore")
def test_crafted_architectures(
    case, suffix, tmp_path, marker, change_architecture, monkeypatch
) -> None:
    (tmp_path / "evil_module.py").write_text(f"open({str(MARKER)!r}, 'w')\nclass Evil: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    bad, words = CRAFTED[case]
    places = [
        lambda config: config["layers"].append({**bad, "name": "bad", "inbound_nodes": []}),
        lambda config: config["layers"][-1]["config"].update(activation=bad),
        lambda config: config["layers"][-1]["config"].update(bias_initializer={"deep": [bad]}),
        lambda config: config["layers"][-1].update(build_config={"input_shape": [bad]}),
    ]
    for number, place in enumerate(places):
        path = tmp_path / f"bad{number}{suffix}"
        network(keras, None).save(path)
        change_architecture(path, lambda architecture, place=place: place(architecture["config"]))
        with pytest.raises(ModelFileError, match=words):
            load_foreign(path, AB)
    assert not marker.exists()
    assert "evil_module" not in sys.modules


@pytest.mark.filterwarnings("ignore")
def test_how_a_model_was_compiled_is_left_alone(tmp_path, marker, change_architecture) -> None:
    path = tmp_path / "m.keras"
    network(keras, None).save(path)
    loss = {"optimizer": "sgd", "loss": function("elsewhere", "of_my_own")}
    change_architecture(path, lambda architecture: architecture.update(compile_config=loss))
    assert load_foreign(path, AB).shape == (8, 8)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_weights_that_lie_elsewhere(tmp_path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["w"] = np.ones(3)
    path = tmp_path / "m.h5"
    network(keras, None).save(path)
    with h5py.File(path, "r+") as file:
        file["model_weights/more"] = h5py.ExternalLink(str(secret), "w")
    with pytest.raises(ModelFileError, match=r"link to another file.*save it again: model\.save"):
        load_foreign(path, AB)
    with h5py.File(path, "r+") as file:
        del file["model_weights/more"]
        outside = [(str(tmp_path / "raw"), 0, 12)]
        file.create_dataset("model_weights/raw", (3,), np.float32, external=outside)
    with pytest.raises(ModelFileError, match="are in another file"):
        load_foreign(path, AB)


@pytest.mark.filterwarnings("ignore")
def test_files_that_are_no_models(tmp_path, change_architecture) -> None:
    whole = tmp_path / "whole.keras"
    network(keras, None).save(whole)
    weights = tmp_path / "only.weights.h5"
    network(keras, None).save_weights(weights)
    (tmp_path / "cut.keras").write_bytes(whole.read_bytes()[:-400])
    (tmp_path / "text.h5").write_text("no")
    (tmp_path / "text.keras").write_text("no")
    for name, words in [
        ("only.weights.h5", "holds only weights"),
        ("cut.keras", "not a whole model"),
        ("text.h5", "not a whole model"),
        ("text.keras", "not a whole model"),
        ("none.keras", "no such file"),
    ]:
        with pytest.raises(ModelFileError, match=words):
            load_foreign(tmp_path / name, AB)

    def nest(architecture: dict) -> None:
        deep: list = []
        for _ in range(3000):
            deep = [deep]
        architecture["config"]["deep"] = deep

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(9000)  # before Python 3.12, json keeps it too
    try:
        change_architecture(whole, nest)
    finally:
        sys.setrecursionlimit(limit)
    with pytest.raises(ModelFileError, match="nested too deeply"):
        load_foreign(whole, AB)


def test_reading_an_architecture_makes_nothing(tmp_path, marker) -> None:
    path = tmp_path / "m.h5"
    network(keras, OfMyOwn()).save(path)
    marker.unlink()
    architecture, version = read_architecture(path)
    assert architecture["class_name"] == "Functional"
    assert version == keras.__version__
    assert not marker.exists()
