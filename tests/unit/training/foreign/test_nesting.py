"""Models in models, as Keras 2 wrote them: what is loaded answers as their maker's own predictions.

Compared is what `load_foreign` gives with `predict` of tf_keras, which wrote the files: export of
what was loaded is proven elsewhere.
"""

import re
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from kerascnn.errors import ModelFileError
from kerascnn.inference import ForeignModel
from kerascnn.training.foreign.loading import load_foreign

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = 12
k = tf_keras.layers


def entry():
    return tf_keras.Input((SIZE, SIZE, 3))


def backbone():
    first = entry()
    x = k.BatchNormalization()(k.Conv2D(4, 3, strides=2, name="stem/conv")(first))
    return tf_keras.Model(first, k.ReLU(6.0)(x + k.DepthwiseConv2D(3, padding="same")(x) * 0.5))


def stem(with_input=True):
    given = [entry()] if with_input else []
    return tf_keras.Sequential([*given, k.Conv2D(4, 3, strides=2), k.ReLU()])


def pool():
    return k.GlobalAveragePooling2D()


def head():
    return k.Dense(3, activation="softmax")


def teachable_machine():
    """A Sequential of two Sequentials, the first around a cut backbone."""
    base = backbone()
    cut = tf_keras.Model(base.inputs, base.layers[-2].output)
    features = tf_keras.Sequential([cut, pool()])
    tail = [k.Dense(5, activation="relu", input_shape=(4,)), k.Dense(3, "softmax", use_bias=False)]
    return tf_keras.Sequential([features, tf_keras.Sequential(tail)])


def prepared():
    first = entry()
    scaled = tf_keras.applications.mobilenet_v2.preprocess_input(first)
    # -1 to 1 of 0 to 255 is next to nothing for pixels() here, so it is made larger again.
    larger = k.Rescaling(64.0, offset=64.0)
    return tf_keras.Sequential([tf_keras.Model(first, scaled), larger, backbone(), pool(), head()])


def shared(inner):
    first = entry()
    x = k.Concatenate()([pool()(inner(first)), pool()(inner(k.Rescaling(0.5)(first)))])
    return tf_keras.Model(first, head()(x))


def ends_in_a_model(inner):
    first = entry()
    return tf_keras.Model(first, inner(pool()(backbone()(first))))


def called_twice():
    """Two calls of one model, the second of which gives the answer."""
    inside = tf_keras.Input((3,))
    inner = tf_keras.Model(inside, k.Dense(3, "softmax")(inside))
    first = entry()
    return tf_keras.Model(first, inner(inner(k.Dense(3)(pool()(backbone()(first))))))


def functional_head():
    first = tf_keras.Input((4,))
    return tf_keras.Model(first, head()(first))


def of_two_tensors():
    one, two = tf_keras.Input((4,)), tf_keras.Input((4,))
    inner = tf_keras.Model([one, two], head()(k.Add()([one, two])))
    first = entry()
    x = backbone()(first)
    return tf_keras.Model([first], [inner([pool()(x), k.GlobalMaxPooling2D()(x)])])


def ensemble():
    first = entry()
    members = [tf_keras.Sequential([backbone(), pool(), head()])(first) for _ in range(2)]
    return tf_keras.Model(first, (members[0] * 0.25 + members[1] * 0.75))


def functions():
    """What arithmetic on tensors leaves behind, constants first among it."""
    import tensorflow as tf

    first = entry()
    x = tf.concat([4.0 - first, -first], axis=-1)
    x = tf.reduce_mean(tf.clip_by_value(tf.maximum(x, -3.0), -2.0, 3.5), axis=[1, 2])
    return tf_keras.Model(first, tf.reduce_mean(tf.stack([head()(x), head()(x)]), axis=0))


def more_functions():
    import tensorflow as tf

    first = entry()
    x = tf.image.per_image_standardization(tf.image.resize(first, (8, 8)))
    x = tf.pad(x, [[0, 0], [1, 1], [0, 0], [0, 0]]) * tf.tanh(
        tf.nn.softplus(tf.abs(first[:, :10, :8]))
    )
    x = tf.nn.leaky_relu(tf.nn.gelu(k.Conv2D(5, 3)(x)), alpha=0.3)
    one, two = tf.split(tf.transpose(x, [0, 2, 1, 3]), [2, 3], axis=-1)
    x = tf.matmul(k.Reshape((-1, 2))(one), k.Reshape((-1, 3))(two), transpose_a=True)
    x = tf.math.log(tf.exp(tf.math.l2_normalize(x, axis=-1)) + tf.sqrt(tf.reduce_max(x**2)))
    return tf_keras.Model(first, head()(k.Flatten()(x)))


def functions_of_pixels():
    import tensorflow as tf

    first = entry()
    mirrored = tf.image.flip_up_down(tf.image.flip_left_right(first))
    x = k.Conv2D(4, 3)(k.Concatenate()([first, mirrored, tf.reverse(first, [-1])]))
    x = tf.nn.avg_pool2d(tf.nn.max_pool2d(x, 2, 2, "SAME"), [2, 2], [1, 1], "VALID")
    x = tf.nn.avg_pool(tf.nn.max_pool(x, 2, 1, "SAME"), [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
    x = tf.where(x > 0.1, x, 0.1 * x)
    x = tf.where(x < -0.2, -0.2, x) + tf.where(x >= 0.4, x, 0.0) * tf.cast(x <= 0.9, tf.float32)
    x = tf.tile(tf.gather(x, [2, 0, 1, 3], axis=-1), [1, 1, 1, 2])
    x = tf.math.squared_difference(*tf.unstack(x, axis=1)[:2]) * tf.sin(x[:, 2]) + tf.cos(x[:, 1])

    x = tf.math.erf(x) + tf.sign(x) * 0.1 + tf.floor(x * 3.0) * 0.01 + tf.round(x * 5.0) * 0.01
    x = tf.math.reciprocal(x + 3.0) + tf.ones_like(x) - tf.zeros_like(x)
    moments = [tf.math.reduce_std(x, 1), tf.math.reduce_variance(x, 1), tf.reduce_logsumexp(x, 1)]
    x = tf.cumsum(tf.concat(moments, 1), 1) * 0.05
    return tf_keras.Model(first, head()(tf.stop_gradient(x)))


def values_that_changed():
    """Keras 2's hard sigmoid has another slope, its discretization another type."""
    x = first = entry()
    for activation in ("hard_sigmoid", tf_keras.activations.hard_sigmoid):
        x = k.Conv2D(4, 3, activation=activation)(x)
    x = k.LSTM(4, recurrent_activation="hard_sigmoid")(k.Reshape((8, 32))(x))
    x = k.Concatenate()([x, k.Activation("hard_sigmoid")(k.Flatten()(first))])
    y = k.Discretization([0.5, 1.0, 2.0])(first)
    y = k.Rescaling(0.3)(k.Flatten()(y))
    return tf_keras.Model(first, head()(k.Concatenate()([x, y])))


def synchronized():
    x = k.BatchNormalization(synchronized=True)(k.Conv2D(4, 3)(first := entry()))
    x = k.experimental.SyncBatchNormalization()(k.BatchNormalization()(x))
    return tf_keras.Model(first, head()(pool()(x)))


def names_that_look_like_precisions():
    return tf_keras.Sequential(
        [k.Conv2D(4, 3, name="mixed_0", input_shape=(SIZE, SIZE, 3)), k.ReLU(name="mixed_relu"),
         k.GlobalAveragePooling2D(name="mixed_float16"), k.Dense(3, name="mixed_head")]
    )  # fmt: skip


def layers_of_applications():
    from tf_keras.src.applications.convnext import LayerScale, StochasticDepth
    from tf_keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    first = entry()
    x = k.Conv2D(4, 3)(first)
    x = StochasticDepth(0.1)(LayerScale(0.5, 4)(x))
    return tf_keras.Model(first, head()(pool()(CustomScaleLayer(0.2)([x, x]))))


def attention():
    """Attention is called with named tensors."""
    first = entry()
    x = k.Reshape((-1, 4))(k.Conv2D(4, 6, strides=6)(first))
    y = k.LayerNormalization()(x)
    x = k.Add()([x, k.MultiHeadAttention(2, 3)(query=y, value=x, key=y)])
    return tf_keras.Model(first, head()(k.GlobalAveragePooling1D()(x)))


def layers_of_other_names():
    """What Keras 3 calls otherwise, or does nothing in inference."""
    augment = [k.RandomHeight(0.2), k.RandomWidth(0.2), k.Resizing(SIZE, SIZE)]
    thinned = [k.Conv2D(4, 3), k.SpatialDropout2D(0.3), k.ThresholdedReLU(0.2)]
    return tf_keras.Sequential([entry(), *augment, *thinned, pool(), head()])


MODELS = {
    "attention": attention,
    "layers of other names": layers_of_other_names,
    "sequential of model": lambda: tf_keras.Sequential([backbone(), pool(), head()]),
    "input, sequential of model": lambda: tf_keras.Sequential(
        [entry(), backbone(), k.Flatten(), k.Dropout(0.5), head()]
    ),
    "two sequentials": lambda: tf_keras.Sequential(
        [tf_keras.Sequential([tf_keras.Sequential([backbone(), k.ReLU()]), pool()]),
         tf_keras.Sequential([k.Dense(5), head()])]
    ),
    "teachable machine": teachable_machine,
    "prepared": prepared,
    "shared model": lambda: shared(backbone()),
    "shared sequential": lambda: shared(stem()),
    "shared sequential without input": lambda: shared(stem(with_input=False)),
    "ends in a sequential": lambda: ends_in_a_model(tf_keras.Sequential([k.Dense(5), head()])),
    "ends in a model called twice": called_twice,
    "ends in a model": lambda: ends_in_a_model(functional_head()),
    "of two tensors": of_two_tensors,
    "ensemble": ensemble,
    "functions": functions,
    "more functions": more_functions,
    "functions of pixels": functions_of_pixels,
    "values that changed": values_that_changed,
    "synchronized": synchronized,
    "names that look like precisions": names_that_look_like_precisions,
    "layers of applications": layers_of_applications,
}  # fmt: skip


def pixels():
    """Give pictures of different colors, so small that no softmax of them is 0 or 1."""
    rng = np.random.default_rng(3)
    return (rng.random((4, SIZE, SIZE, 3)) * rng.uniform(0, 4, (4, 1, 1, 3))).astype(np.float32)


def answers_of_both(model, path):
    """Give its maker's predictions and those of what is loaded from the file."""
    model.save(path)
    loaded = load_foreign(path, ForeignModel(("a", "b", "c"), normalize="none"))
    return model.predict(pixels(), verbose=0), loaded.model.predict(pixels(), verbose=0)


@pytest.mark.parametrize("suffix", [".h5", pytest.param(".keras", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MODELS)
def test_nested_models_of_keras_2(name, suffix, tmp_path, with_weights) -> None:
    wanted, found = answers_of_both(with_weights(MODELS[name]()), tmp_path / f"m{suffix}")
    assert wanted.std(axis=0).max() > 1e-4, "answers that never change prove nothing"
    np.testing.assert_allclose(found, wanted, atol=2e-6 * max(1.0, np.abs(wanted).max()))


def test_layers_that_are_gone(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tf_keras.Sequential([entry(), k.LocallyConnected2D(4, 3), pool(), head()]).save("m.h5")
    with pytest.raises(
        ModelFileError, match=r"LocallyConnected2D layer .* of Keras 2, which Keras"
    ):
        load_foreign("m.h5", ForeignModel(("a", "b", "c")))


def test_what_changed_is_exported(tmp_path, with_weights, exported_from, pictures) -> None:
    x = k.Rescaling(1 / 255)(first := entry())
    x = k.Conv2D(4, 3, activation="hard_sigmoid")(x)
    x = pool()(k.experimental.SyncBatchNormalization()(x))
    model = with_weights(tf_keras.Model(first, k.Dense(3, "hard_sigmoid")(x)))
    model.save(tmp_path / "m.keras")
    wanted = model.predict(pictures(SIZE).astype(np.float32), verbose=0)
    found = exported_from(tmp_path / "m.keras", 3).run(pictures(SIZE))[1]
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_mixed_precision_of_keras_2(suffix, tmp_path, with_weights) -> None:
    policy = tf_keras.mixed_precision.Policy("mixed_float16")
    model = tf_keras.Sequential(
        [entry(), k.Conv2D(4, 3, dtype=policy), k.BatchNormalization(dtype=policy),
         k.GlobalAveragePooling2D(dtype=policy), k.Dense(3, "softmax", dtype="float32")]
    )  # fmt: skip
    wanted, found = answers_of_both(with_weights(model), tmp_path / f"m{suffix}")
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_layers_of_keras_3_that_are_not_in_keras_layers(suffix, tmp_path, with_weights) -> None:
    from keras.src.applications.convnext import LayerScale
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    first = keras.Input((SIZE, SIZE, 3))
    x = LayerScale(0.5, 4)(keras.layers.Conv2D(4, 3)(first))
    x = keras.layers.GlobalAveragePooling2D()(CustomScaleLayer(0.2)([x, x]))
    model = keras.Model(first, keras.layers.Dense(3, "softmax")(x))
    wanted, found = answers_of_both(with_weights(model), tmp_path / f"m{suffix}")
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_a_class_of_that_name_from_elsewhere_stays_refused(tmp_path, change_architecture) -> None:
    first = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(first)
    keras.Model(first, keras.layers.Dense(3)(x)).save(tmp_path / "m.keras")

    def pretend(config):
        config["config"]["layers"][-1] |= {
            "class_name": "LayerScale", "module": "mine", "registered_name": "mine>LayerScale"
        }  # fmt: skip

    change_architecture(tmp_path / "m.keras", pretend)
    with pytest.raises(ModelFileError, match="mine>LayerScale"):
        load_foreign(tmp_path / "m.keras", ForeignModel(("a", "b", "c")))


def several_of_a_class():
    """Three convolutions, and a Sequential without weights before one with them."""
    augment = tf_keras.Sequential([k.Rescaling(0.5), k.ReLU()])
    inner = tf_keras.Sequential([k.Dense(4), k.Dropout(0.5), k.Dense(5, "tanh")])
    first = entry()
    x = k.Conv2D(4, 3)(k.Conv2D(4, 3)(augment(first)))
    return tf_keras.Model(first, head()(inner(pool()(k.Conv2D(4, 3)(x)))))


def test_layers_that_keras_2_13_counted_twice(tmp_path, with_weights) -> None:
    """TensorFlow 2.13 wrote dense, dense_2 and dense_4 where Keras 3 reads dense to dense_2."""
    model = with_weights(several_of_a_class())
    path, loose = tmp_path / "m.keras", tmp_path / "model.weights.h5"
    model.save(path)
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    loose.write_bytes(parts.pop(loose.name))
    with h5py.File(loose, "r+") as weights:
        count_twice(weights)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {**parts, loose.name: loose.read_bytes()}.items():
            file.writestr(name, data)
    loaded = load_foreign(path, ForeignModel(("a", "b", "c"), normalize="none"))
    wanted = model.predict(pixels(), verbose=0)
    np.testing.assert_allclose(loaded.model.predict(pixels(), verbose=0), wanted, atol=2e-6)


def count_twice(group: h5py.Group) -> None:
    """Number layers as TensorFlow 2.13: those with weights count twice, others once."""
    inner = [name for name in group if isinstance(group[name], h5py.Group)]
    for name in inner:
        count_twice(group[name])
    if not group.name.endswith("/layers"):
        return
    numbers: dict[str, list[str]] = {}
    for name in inner:
        numbers.setdefault(re.sub(r"_\d+$", "", name), []).append(name)
    for layer, names in numbers.items():
        counted = 0
        for name in sorted(names, key=lambda name: int(name.removeprefix(layer)[1:] or 0)):
            weighted = group[name].visit(lambda path: path.endswith("vars/0") or None)
            group.move(name, f"new_{layer}_{counted}" if counted else f"new_{layer}")
            counted += 2 if weighted else 1
    for name in list(group):
        group.move(name, name.removeprefix("new_"))
    group.parent.move("layers", "_layer_checkpoint_dependencies")


def test_initializers_of_tensorflow_1_have_a_type(
    tmp_path, with_weights, change_architecture
) -> None:
    model = with_weights(tf_keras.Sequential([entry(), k.Conv2D(4, 3), pool(), head()]))
    model.save(tmp_path / "m.h5")

    def add_type(value):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict) and item.get("class_name") in ("GlorotUniform", "Zeros"):
                item["config"]["dtype"] = "float32"
            if isinstance(item, dict | list):
                add_type(item)

    change_architecture(tmp_path / "m.h5", add_type)
    loaded = load_foreign(tmp_path / "m.h5", ForeignModel(("a", "b", "c"), normalize="none"))
    wanted = model.predict(pixels(), verbose=0)
    np.testing.assert_allclose(loaded.model.predict(pixels(), verbose=0), wanted, atol=2e-6)
