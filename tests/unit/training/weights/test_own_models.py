"""People's own transfer models: the backbone is found in them, whatever stands around it."""

import keras
import numpy as np
import pytest
import tf_keras
from keras import layers
from safetensors.numpy import save_file

from kerascnn.errors import ModelFileError
from kerascnn.training.networks import build_network
from kerascnn.training.weights.start import start_network

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = 32


def backbone(library):
    return library.applications.MobileNet(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
    )


def nested(library):
    """A functional model that calls its backbone, with a head of two layers."""
    k = library.layers
    entry = library.Input((SIZE, SIZE, 3))
    x = k.GlobalAveragePooling2D()(backbone(library)(k.Rescaling(1 / 127.5, -1.0)(entry)))
    x = k.BatchNormalization(name="mine_bn")(k.Dense(7, "relu", name="mine")(x))
    return library.Model(entry, k.Dense(3, name="predictions")(x))


def sequential(library):
    k = library.layers
    return library.Sequential(
        [backbone(library), k.GlobalAveragePooling2D(), k.Dropout(0.2), k.Dense(3, "softmax")]
    )


def flat(library):
    """Layers of the backbone among those of the model."""
    base, k = backbone(library), library.layers
    pooled = k.GlobalAveragePooling2D()(base.output)
    return library.Model(base.input, k.Dense(3, "softmax", name="breeds")(pooled))


OWN = [(nested, keras, ".keras"), (sequential, tf_keras, ".h5"), (flat, tf_keras, ".keras"),
       (nested, tf_keras, ".h5"), (sequential, keras, ".h5"), (sequential, tf_keras, ".keras"),
       (flat, keras, ".keras"), (flat, tf_keras, ".h5")]  # fmt: skip


def last_kernel(model) -> np.ndarray:
    """Give the last convolution of a library's model, by its name there or ours."""
    [kernel] = [
        weight
        for weight in model.weights
        if any(f"{name}/" in f"/{getattr(weight, 'path', weight.name)}"
               for name in ("/conv_pw_13", "/block13_pw"))
    ]  # fmt: skip
    return np.asarray(kernel)


@pytest.mark.parametrize(
    ("make", "library", "suffix"),
    [*OWN[:3], *(pytest.param(*case, marks=pytest.mark.full) for case in OWN[3:])],
)
def test_the_backbone_of_an_own_model_is_taken(make, library, suffix, tmp_path, caplog) -> None:
    if library is tf_keras:
        tf_keras.backend.clear_session()
    model = make(library)
    path = str(tmp_path / f"own{suffix}")
    model.save(path)
    start = start_network("mobilenet", 3, SIZE, path)
    np.testing.assert_array_equal(last_kernel(start.core), last_kernel(model))
    assert start.fresh_head == (make is nested)
    assert ("mine, mine_bn" in caplog.text) == start.fresh_head
    if not start.fresh_head:
        ours, theirs = start.core.layers[-1].kernel, model.layers[-1].get_weights()[0]
        np.testing.assert_array_equal(np.asarray(ours), theirs)


@pytest.mark.parametrize("make", [nested, pytest.param(sequential, marks=pytest.mark.full)])
def test_the_backbone_inside_weights_alone_is_taken(make, tmp_path) -> None:
    model = make(keras)
    model.save_weights(tmp_path / "own.weights.h5")
    start = start_network("mobilenet", 3, SIZE, str(tmp_path / "own.weights.h5"))
    np.testing.assert_array_equal(last_kernel(start.core), last_kernel(model))
    assert start.fresh_head


def test_a_deeper_network_is_no_own_model(tmp_path) -> None:
    """VGG16 has all tensors of VGG13, by the same names and shapes, and more."""
    build_network("vgg16", 3, SIZE).save(tmp_path / "vgg16.keras")
    with pytest.raises(ModelFileError, match="made for"):
        start_network("vgg13", 3, SIZE, str(tmp_path / "vgg16.keras"))


def torch_names_of_resnet18() -> dict[str, np.ndarray]:
    """Make tensors under torchvision's names from a network of ours."""
    from kerascnn.training.weights.files import tensors_of

    back = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
            "moving_variance": "running_var", "kernel": "weight", "bias": "bias"}  # fmt: skip
    found = {}
    for name, value in tensors_of(build_network("resnet18", 3, SIZE)).items():
        layer, _, weight = name.partition("/")
        if layer == "head":
            module = "fc"
        elif layer.startswith("conv1_"):
            module = f"{layer.partition('_')[2]}1"
        else:
            stage, block, number, kind = (
                layer.replace("conv", "", 1).replace("block", "").split("_")
            )
            inner = f"downsample.{('conv', 'bn').index(kind)}" if number == "0" else kind + number
            module = f"layer{int(stage) - 1}.{int(block) - 1}.{inner}"
        order = (3, 2, 0, 1) if value.ndim == 4 else (1, 0)
        turned = value.transpose(order) if value.ndim > 1 else value
        found[f"{module}.{back[weight]}"] = np.ascontiguousarray(turned)
    return found


@pytest.mark.parametrize(
    "prefix", ["model.", *(pytest.param(p, marks=pytest.mark.full) for p in ("module.", "a.b."))]
)
def test_prefixes_and_own_heads_of_pytorch(prefix, tmp_path) -> None:
    tensors = torch_names_of_resnet18()
    own = {name: value for name, value in tensors.items() if not name.startswith("fc.")}
    own |= {"fc.1.weight": tensors["fc.weight"], "fc.1.bias": tensors["fc.bias"]}
    prefixed = {prefix + name: value for name, value in own.items()}
    save_file(prefixed | {"criterion.weight": np.ones(3, "f")}, tmp_path / "l.safetensors")
    start = start_network("resnet18", 3, SIZE, str(tmp_path / "l.safetensors"))
    assert not start.fresh_head
    np.testing.assert_array_equal(
        np.asarray(start.core.get_layer("head").kernel), tensors["fc.weight"].T
    )
    mixed = {"fc.0.weight": np.ones((9, 512), "f"), "fc.3.weight": np.ones((3, 9), "f")}
    save_file({prefix + n: v for n, v in (own | mixed).items() if ".1." not in n[:5]},
              tmp_path / "two.safetensors")  # fmt: skip
    assert start_network("resnet18", 3, SIZE, str(tmp_path / "two.safetensors")).fresh_head


def test_weights_are_known_by_what_is_in_the_file(tmp_path) -> None:
    entry = tf_keras.Input((SIZE, SIZE, 3))
    pooled = tf_keras.layers.GlobalAveragePooling2D()(backbone(tf_keras)(entry))
    model = tf_keras.Model(entry, tf_keras.layers.Dense(3)(pooled))
    model.save_weights(tmp_path / "old.h5")
    (tmp_path / "old.h5").rename(tmp_path / "old.weights.h5")
    start = start_network("mobilenet", 3, SIZE, str(tmp_path / "old.weights.h5"))
    np.testing.assert_array_equal(last_kernel(start.core), last_kernel(model))


@pytest.mark.full
def test_a_head_that_takes_other_features_is_replaced(tmp_path) -> None:
    own = keras.Sequential([backbone(keras), layers.Flatten(), layers.Dense(3, name="predictions")])
    own.save(tmp_path / "own.h5")
    first = start_network("mobilenet", 3, SIZE, str(tmp_path / "own.h5"))
    np.testing.assert_array_equal(last_kernel(first.core), last_kernel(own))


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize(
    ("application", "name"),
    [
        ("MobileNetV3Small", "mobilenet_v3_small"),
        pytest.param("VGG16", "vgg16", marks=pytest.mark.full),
    ],
)
def test_layers_that_count_as_head_may_be_missing(
    application, name, ending, tmp_path, caplog
) -> None:
    """``include_top=False`` leaves out VGG's dense layers and MobileNetV3's last convolution."""
    base = getattr(keras.applications, application)(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
    )
    mixed = layers.Dense(7, "relu")(layers.GlobalAveragePooling2D()(base.output))
    own = keras.Model(base.input, layers.Dense(3)(mixed))
    path = tmp_path / f"own{ending}"
    (own.save_weights if ending == ".weights.h5" else own.save)(path)
    start = start_network(name, 3, SIZE, str(path))
    assert start.fresh_head
    assert "`trainable` from:fc1" in caplog.text
    ours, theirs = (
        [np.asarray(la.kernel) for la in model.layers if isinstance(la, layers.Conv2D)]
        for model in (start.core, base)
    )
    np.testing.assert_array_equal(ours[len(theirs) - 1].reshape(-1), theirs[-1].reshape(-1))


def test_weights_alone_of_another_network_are_no_own_model(tmp_path) -> None:
    entry = keras.Input((SIZE, SIZE, 3))
    more = layers.Conv2D(4, 1)(backbone(keras)(entry))
    flat_model = keras.Model(entry, layers.Dense(3)(layers.GlobalAveragePooling2D()(more)))
    inner = flat_model.layers[1]
    outer = layers.Conv2D(4, 1)(inner.output)
    keras.Model(inner.input, outer).save_weights(tmp_path / "more.weights.h5")
    with pytest.raises(ModelFileError, match="convolutions"):
        start_network("mobilenet", 3, SIZE, str(tmp_path / "more.weights.h5"))
