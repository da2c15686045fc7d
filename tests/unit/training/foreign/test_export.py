"""Keras files made elsewhere, exported: the file answers as the model itself does.

What is expected comes from `model.predict` of the library that made the file, on pixels prepared
in numpy: neither our loader nor our surgery has a part in it.
"""

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tf_keras
from click.testing import CliRunner
from keras import layers
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference import ForeignModel, read_labels
from kerascnn.training.export.foreign import export_foreign

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = 16
CLASSES = 3


def mostly_slow(cases, quick):
    """Each export takes seconds: the quick run has one of each kind."""
    return [case if case in quick else pytest.param(case, marks=pytest.mark.slow) for case in cases]


def trunk(shape=(SIZE, SIZE, 3), flat: bool = True):
    """Give an input and features that are different from picture to picture."""
    entry = keras.Input(shape)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(entry)
    x = layers.RandomFlip("horizontal")(x)
    x = layers.Conv2D(6, 3, strides=2, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    return entry, layers.GlobalAveragePooling2D()(x) if flat else x


def dense(units: int, activation):
    entry, x = trunk()
    return keras.Model(entry, layers.Dense(units, activation=activation)(x))


def softmax_layer():
    entry, x = trunk()
    return keras.Model(entry, layers.Softmax()(layers.Dense(CLASSES)(x)))


def softmax_activation():
    entry, x = trunk()
    x = layers.Activation("softmax")(layers.Dropout(0.5)(layers.Dense(CLASSES)(x)))
    return keras.Model(entry, layers.Activation("linear", dtype="float32")(x))


def softmax_function():
    entry, x = trunk()
    return keras.Model(entry, keras.ops.softmax(layers.Dense(CLASSES)(x) * 2.0 + 0.5))


def averaged_softmax():
    """A head like SqueezeNet's: what the last layer is does not say what comes out."""
    entry, x = trunk(flat=False)
    x = layers.Conv2D(CLASSES, 1)(x)
    x = layers.Softmax()(x)
    return keras.Model(entry, layers.GlobalAveragePooling2D()(x))


def nested():
    entry, x = trunk()
    head = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(CLASSES, "softmax")])
    return keras.Model(entry, head(x))


def nested_twice():
    """A model in the middle, called twice, as shared weights are."""
    inner = keras.Input((SIZE, SIZE, 3))
    base = keras.Model(inner, layers.Conv2D(6, 3, strides=2, activation="relu")(inner))
    entry = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(entry)
    both = [layers.GlobalAveragePooling2D()(base(y)) for y in (x, layers.Rescaling(-1.0)(x))]
    return keras.Model(entry, layers.Dense(CLASSES, "softmax")(layers.Concatenate()(both)))


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def both(p):
    return np.concatenate([1 - p, p], axis=1)


def as_it_is(p):
    return p


ENDINGS = {
    "dense softmax .keras": (lambda: dense(CLASSES, "softmax"), ".keras", CLASSES, as_it_is),
    "dense softmax .h5": (lambda: dense(CLASSES, "softmax"), ".h5", CLASSES, as_it_is),
    "logits": (lambda: dense(CLASSES, None), ".keras", CLASSES, softmax),
    "softmax layer": (softmax_layer, ".keras", CLASSES, as_it_is),
    "softmax activation": (softmax_activation, ".h5", CLASSES, as_it_is),
    "softmax function": (softmax_function, ".keras", CLASSES, as_it_is),
    "averaged softmax": (averaged_softmax, ".keras", CLASSES, as_it_is),
    "nested": (nested, ".h5", CLASSES, as_it_is),
    "nested twice .h5": (nested_twice, ".h5", CLASSES, as_it_is),
    "nested twice .keras": (nested_twice, ".keras", CLASSES, as_it_is),
    "one sigmoid": (lambda: dense(1, "sigmoid"), ".keras", 2, both),
    "one logit": (lambda: dense(1, None), ".keras", 2, lambda z: both(1 / (1 + np.exp(-z)))),
    "sigmoids": (
        lambda: dense(CLASSES, "sigmoid"),
        ".keras",
        CLASSES,
        lambda p: p / p.sum(axis=1, keepdims=True),
    ),
}


QUICK = ("dense softmax .h5", "averaged softmax", "nested twice .keras", "one sigmoid")


@pytest.mark.parametrize("case", mostly_slow(ENDINGS, QUICK))
def test_endings(case, tmp_path, with_weights, pictures, exported_from) -> None:
    build, suffix, classes, expected = ENDINGS[case]
    model = with_weights(build())
    path = tmp_path / f"elsewhere{suffix}"
    model.save(path)
    exported = exported_from(path, classes)
    batch = pictures(SIZE)
    logits, found = exported.run(batch)
    wanted = expected(model.predict(batch.astype(np.float32), verbose=0))
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    np.testing.assert_allclose(softmax(logits), found, atol=1e-6)
    assert found.std(axis=0).min() > 1e-3, "answers that never change prove nothing"
    assert exported.card.versions["trained_with"] == f"keras {keras.__version__}"


@pytest.mark.parametrize("shape", mostly_slow([(28, 28, 1), (28, 28)], [(28, 28)]))
def test_gray_models_get_pillows_gray(
    shape, tmp_path, with_weights, pictures, exported_from
) -> None:
    model = with_weights(
        keras.Sequential(
            [keras.Input(shape), layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(3)]
        )
    )
    path = tmp_path / "mnist.keras"
    model.save(path)
    exported = exported_from(path, 3, normalize="unit")
    assert exported.card.normalization.channel_order == "grey"
    batch = pictures(28)
    gray = np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in batch])
    wanted = model.predict((gray / 255).astype(np.float32).reshape(-1, *shape), verbose=0)
    np.testing.assert_allclose(exported.run(batch)[0], wanted, atol=1e-5)
    with pytest.raises(ConfigError, match="gray"):
        exported_from(path, 3, normalize="caffe")


def test_the_graph_itself_makes_gray_of_raw_pictures(tmp_path, exported_from, photograph) -> None:
    import onnxruntime

    identity = layers.Dense(784, kernel_initializer="identity")
    path = tmp_path / "pixels.keras"
    keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), identity]).save(path)
    exported = exported_from(path, tuple(map(str, range(784))))
    session = onnxruntime.InferenceSession(tmp_path / "out" / "m.onnx")
    picture = photograph(28, 28)
    logits = session.run(["logits"], {"image": picture[None]})[0][0]
    gray = np.asarray(Image.fromarray(picture).convert("L"))
    assert np.array_equal(logits.reshape(28, 28), gray)
    assert exported.card.image_size == 28


@pytest.mark.parametrize("normalize", mostly_slow(["unit", "tf", "torch", "caffe"], ["caffe"]))
def test_normalizations_are_those_of_keras(
    normalize, tmp_path, with_weights, pictures, exported_from
) -> None:
    from keras.src.applications.imagenet_utils import preprocess_input

    entry = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="tanh")(entry))
    model = with_weights(keras.Model(entry, layers.Dense(CLASSES)(x)))
    path = tmp_path / "any-size.keras"
    model.save(path)
    batch = pictures(SIZE)
    pixels = batch.astype(np.float32)
    prepared = pixels / 255 if normalize == "unit" else preprocess_input(pixels, mode=normalize)
    exported = exported_from(path, CLASSES, normalize=normalize, image_size=SIZE)
    wanted = model.predict(prepared, verbose=0)
    np.testing.assert_allclose(exported.run(batch)[0], wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(ConfigError, match="`image_size` is missing"):
        export_foreign(path, ForeignModel(("a", "b", "c")))


def test_tensors_that_operations_hold_are_constants(
    tmp_path, with_weights, pictures, exported_from
) -> None:
    """The means of ``preprocess_input`` in a ``.keras`` file, and a tensor too large to inline."""
    entry = keras.Input((SIZE, SIZE, 3))
    x = keras.applications.resnet50.preprocess_input(entry)
    x = x * keras.ops.convert_to_tensor(np.linspace(0.01, 0.03, SIZE * 3).reshape(SIZE, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="tanh")(x))
    model = with_weights(keras.Model(entry, layers.Dense(CLASSES)(x)))
    model.save(tmp_path / "m.keras")
    batch = pictures(SIZE)
    exported = exported_from(tmp_path / "m.keras", CLASSES)
    wanted = model.predict(batch.astype(np.float32), verbose=0)
    assert wanted.std(axis=0).min() > 1e-4
    np.testing.assert_allclose(exported.run(batch)[0], wanted, atol=1e-5)


@pytest.mark.slow
def test_layers_that_normalize_and_mixed_precision(
    tmp_path, with_weights, pictures, exported_from, caplog
) -> None:
    batch = pictures(SIZE)
    normal = layers.Normalization()
    normal.adapt(batch)
    model = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), normal, layers.Conv2D(4, 3, dtype="mixed_bfloat16"),
         layers.GlobalAveragePooling2D(), layers.Dense(CLASSES, "softmax", dtype="float32")]
    )  # fmt: skip
    head = layers.Dense(CLASSES)
    head.build((None, 4))
    model.layers[-1].set_weights(
        [w * 3 for w in with_weights(keras.Sequential([head])).get_weights()]
    )
    path = tmp_path / "mixed.keras"
    model.save(path)
    found = exported_from(path, CLASSES, normalize=None).run(batch)[1]
    assert "--normalize was not given" not in caplog.text  # it normalizes by itself
    np.testing.assert_allclose(found, model.predict(batch, verbose=0), atol=0.02)


def test_what_does_not_fit_is_said(tmp_path, with_weights) -> None:
    def saved(model, name="m.keras") -> Path:
        model.save(tmp_path / name)
        return tmp_path / name

    good = saved(dense(CLASSES, None), "good.keras")
    entry, x = trunk()
    two = keras.Model(entry, [layers.Dense(2)(x), layers.Dense(2)(x)])
    planes = keras.Sequential([keras.Input((3, SIZE, SIZE)), layers.Flatten(), layers.Dense(3)])
    abc = ("a", "b", "c")
    for path, said, words in [
        (good, ForeignModel(abc, 32), "takes 16 x 16 pixels"),
        (good, ForeignModel(("a", "b")), "outputs 3 numbers per picture, but `labels` has 2"),
        (saved(two, "two.keras"), ForeignModel(abc), "2 outputs"),
        (saved(planes, "planes.keras"), ForeignModel(abc), "expected pictures, "),
        (
            saved(dense(1, "softmax"), "one.keras"),
            ForeignModel(("a", "b")),
            "softmax of one number",
        ),
    ]:
        with pytest.raises((ModelFileError, ConfigError), match=words):
            export_foreign(path, said, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def keras2_models():
    """The habits of Keras 2: TensorFlow's functions on its tensors, models in models, names."""
    k = tf_keras.layers

    def small(shape):
        entry = tf_keras.Input(shape)
        x = k.Conv2D(6, 3, strides=2, name="stem/conv")(entry)
        x = k.ReLU()(k.BatchNormalization(name="stem/bn")(x))
        x = k.DepthwiseConv2D(3, padding="same")(x) + x * 0.5
        return tf_keras.Model(entry, x, name="base")

    def transfer(prepare):
        entry = tf_keras.Input((SIZE, SIZE, 3))
        augment = tf_keras.Sequential([k.RandomFlip(), k.RandomRotation(0.1)])
        x = small((SIZE, SIZE, 3))(prepare(augment(entry)), training=False)
        x = k.Dropout(0.2)(k.GlobalAveragePooling2D()(x))
        return tf_keras.Model(entry, k.Dense(CLASSES, activation="softmax")(x))

    gray = tf_keras.Sequential(
        [k.Rescaling(1 / 255, input_shape=(28, 28, 1)), k.Conv2D(12, 3, activation="relu"),
         k.BatchNormalization(), k.GlobalAveragePooling2D(),
         k.Dense(CLASSES, activation="softmax", kernel_regularizer=tf_keras.regularizers.l2(1e-3))]
    )  # fmt: skip
    applications = tf_keras.applications
    return {
        "gray.h5": gray,
        "gray.keras": gray,
        "tf.h5": transfer(applications.mobilenet_v2.preprocess_input),
        "tf.keras": transfer(applications.mobilenet_v2.preprocess_input),
        "caffe.h5": transfer(applications.resnet50.preprocess_input),
    }


KERAS_2 = ("gray.h5", "gray.keras", "tf.h5", "tf.keras", "caffe.h5")


@pytest.mark.parametrize("name", mostly_slow(KERAS_2, ("gray.keras", "tf.h5")))
def test_files_of_keras_2(name, tmp_path, with_weights, pictures, exported_from) -> None:
    model = with_weights(keras2_models()[name])
    if name == "caffe.h5":  # its pixels are large, and a softmax that is 0 or 1 proves nothing
        model.layers[-1].set_weights([w / 50 for w in model.layers[-1].get_weights()])
    model.save(tmp_path / name)
    exported = exported_from(tmp_path / name, CLASSES)
    size = exported.card.image_size
    batch = pictures(size)
    pixels = batch if model.input_shape[-1] == 3 else np.stack(
        [np.asarray(Image.fromarray(picture).convert("L"))[..., None] for picture in batch]
    )  # fmt: skip
    wanted = model.predict(pixels.astype(np.float32), verbose=0)
    assert wanted.std(axis=0).min() > 1e-4
    np.testing.assert_allclose(exported.run(batch)[1], wanted, atol=2e-6)
    assert exported.card.versions["trained_with"] == f"keras {tf_keras.__version__}"


def test_the_oldest_files_say_their_input_in_their_first_layer(
    tmp_path, pictures, exported_from
) -> None:
    """As Keras 2.2 wrote: no InputLayer, initializers without modules, bytes for text."""
    rng = np.random.default_rng(3)
    kernel, bias = rng.normal(0, 0.1, (48, CLASSES)).astype("f"), np.ones(CLASSES, "f")
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "sequential_1",
            "layers": [
                {"class_name": "Flatten", "config": {
                    "name": "flatten_1", "trainable": True, "dtype": "float32",
                    "batch_input_shape": [None, 4, 4, 3], "data_format": "channels_last"}},
                {"class_name": "Dense", "config": {
                    "name": "dense_1", "trainable": True, "units": CLASSES,
                    "activation": "softmax", "use_bias": True,
                    "kernel_initializer": {"class_name": "VarianceScaling", "config": {
                        "scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}},
                    "bias_initializer": {"class_name": "Zeros", "config": {}},
                    "kernel_regularizer": None, "bias_regularizer": None,
                    "activity_regularizer": None, "kernel_constraint": None,
                    "bias_constraint": None}},
            ],
        },
    }  # fmt: skip
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.2.4", b"tensorflow"
        file.attrs["model_config"] = json.dumps(config).encode()
        weights = file.create_group("model_weights")
        weights.attrs["keras_version"], weights.attrs["backend"] = b"2.2.4", b"tensorflow"
        weights.attrs["layer_names"] = [b"flatten_1", b"dense_1"]
        weights.create_group("flatten_1").attrs["weight_names"] = np.zeros(0, "S1")
        group = weights.create_group("dense_1")
        group.attrs["weight_names"] = [b"dense_1/kernel:0", b"dense_1/bias:0"]
        group["dense_1/kernel:0"], group["dense_1/bias:0"] = kernel, bias
    exported = exported_from(path, CLASSES, normalize="unit")
    batch = pictures(4)
    wanted = softmax(batch.reshape(6, 48).astype(np.float64) / 255 @ kernel + bias)
    np.testing.assert_allclose(exported.run(batch)[1], wanted, atol=1e-6)


@pytest.mark.slow
def test_the_command_exports_verifies_and_says_how_many_are_right(trained: Path, tmp_path) -> None:
    """The trained network without its card, as its maker would hand it over."""
    from kerascnn import training

    run = training.open_run(trained)
    path = tmp_path / "handed-over.h5"
    run.load_model().save(path)
    Path("names.txt").write_text("\n".join(run.card.classes))
    options = ["--onnx", "--out", "m.onnx", "--labels", "names.txt", "--resize", "pad"]
    command = ["export", str(path), *options, "--verify", "fashion-mini", "--json"]
    result = CliRunner().invoke(main, [*command, "--normalize", "tf"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["parity"]["images"] == 500
    assert told["parity"]["top1_mismatches"] == 0
    data = load_dataset("fashion-mini")
    assert told["card"]["metrics"]["top1"] == training.evaluate_run(run, "fashion-mini").top1
    assert tuple(told["card"]["classes"]) == read_labels("names.txt") == data.classes
    wrong = CliRunner().invoke(main, command)
    assert "--normalize was not given" in wrong.stderr
    assert json.loads(wrong.stdout)["card"]["metrics"]["top1"] < told["card"]["metrics"]["top1"]

    own = CliRunner().invoke(main, ["export", str(trained), *options])
    Path("names.txt").unlink()
    bare = CliRunner().invoke(main, ["export", str(path), "--onnx"])
    assert (bare.exit_code, "needs --labels FILE" in bare.output) == (2, True)
    assert (own.exit_code, "has its class names" in own.output) == (2, True)


def test_a_single_class_is_refused_before_the_file_is_read() -> None:
    with pytest.raises(ConfigError, match="only one class is named, dog"):
        export_foreign("m.keras", ForeignModel(("dog",)))
