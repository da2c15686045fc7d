"""What a Keras model's numbers are, however its last layers made them.

The network that would be exported gives logits; their softmax must be what the model's own numbers
mean, as numpy works them out.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference import ForeignModel
from kerascnn.training.foreign.loading import LoadedModel, load_foreign
from kerascnn.training.foreign.logits import core_of, meaning_of

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = 4
GROUPS = np.asarray([[1, 0], [0, 1], [0, 1]], np.float32)


def dense(x, activation=None, units=3):
    return layers.Dense(units, activation)(x)


def both(p):
    return np.concatenate([1 - p, p], axis=1)


def shares(p):
    return p / p.sum(axis=1, keepdims=True)


def softmax(z):
    return shares(np.exp(z - z.max(axis=1, keepdims=True)))


def grouped(x):
    groups = keras.initializers.Constant(GROUPS)
    return layers.Dense(2, use_bias=False, kernel_initializer=groups)(dense(x, "softmax"))


def sigmoids(x):
    return layers.Average()([dense(x, "sigmoid", 1), dense(x, "sigmoid", 1)])


def expanded_distances(x):
    """Write |x - c|^2 of the unit vectors c as |x|^2 - 2 x c + 1."""
    minus_two = layers.Dense(3, kernel_initializer=keras.initializers.Identity(-2.0))
    return ops.sum(ops.square(x), axis=-1, keepdims=True) + minus_two(x) + 1


ENDINGS = {
    "average": (lambda x: layers.Average()([dense(x, "softmax"), dense(x, "softmax")]), shares),
    "weighted sum": (lambda x: dense(x, "softmax") * 0.3 + dense(x, "softmax") * 0.695, shares),
    "mean of a stack": (
        lambda x: ops.mean(ops.stack([dense(x, "softmax"), dense(x, "softmax")]), axis=0), shares,
    ),
    "grouped": (grouped, shares),
    "clipped": (lambda x: ops.clip(dense(x, "softmax"), 0.1, 0.8), shares),
    "average of one sigmoid": (sigmoids, both),
    "one column of a softmax": (lambda x: dense(x, "softmax", 2)[:, 1:], both),
    "hard sigmoids": (lambda x: dense(x, "hard_sigmoid"), shares),
    "one hard sigmoid": (lambda x: dense(x, "hard_sigmoid", 1), both),
    "negated logarithm": (lambda x: -ops.log(dense(x, "softmax")), lambda z: shares(np.exp(-z))),
    "halved negated log softmax": (
        lambda x: dense(x, "log_softmax") / -2.0, lambda z: shares(np.exp(-z)),
    ),
    "log softmax": (lambda x: dense(x, "log_softmax"), softmax),
    "log10": (lambda x: ops.log10(dense(x, "softmax")), lambda v: 10**v),
    "negated log2": (lambda x: -ops.log2(dense(x, "softmax")), lambda v: 2**-v),
    "log odds": (
        lambda x: ops.log((p := dense(x, "softmax")) / (1 - p)),
        lambda v: shares(1 / (1 + np.exp(-v))),
    ),
    "rectified logits": (lambda x: dense(x, "relu"), softmax),
    "cosines by a temperature": (
        lambda x: dense(layers.UnitNormalization()(x)) * 30, softmax,
    ),
    "temperature": (lambda x: layers.Softmax()(dense(x) / 2.5), shares),
    "logits by a temperature": (lambda x: dense(x) / 2.5, softmax),
    "percentages": (lambda x: dense(x, "softmax") * 100, shares),
    "whole percentages": (lambda x: ops.round(dense(x, "softmax") * 100), shares),
}  # fmt: skip


def built(ending) -> LoadedModel:
    entry = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(entry, ending(layers.GlobalAveragePooling2D()(entry)))
    return LoadedModel(model, (SIZE, SIZE), 3, has_channels=True, written_by="")


def pixels():
    rng = np.random.default_rng(0)
    return (rng.random((8, SIZE, SIZE, 3)) * rng.uniform(0, 4, (8, 1, 1, 3))).astype(np.float32)


def answers(loaded, said=None):
    """Give the model's own numbers, and the probabilities of the network to be exported."""
    own = np.asarray(loaded.model(pixels()))
    classes = max(2, own.shape[1])
    core = core_of(loaded, meaning_of(loaded, own, classes, "m.keras", said), classes)
    return own, softmax(np.asarray(core(pixels())))


@pytest.mark.parametrize("name", ENDINGS)
def test_numbers_are_read_as_their_maker_meant_them(name) -> None:
    make, meant = ENDINGS[name]
    own, found = answers(built(make))
    np.testing.assert_allclose(found, meant(own), atol=1e-5)


def test_where_layers_and_values_disagree_the_user_decides() -> None:
    def total(x):
        return layers.Add()([dense(x, "softmax"), dense(x, "softmax")])

    with pytest.raises(ConfigError, match="`outputs` logits or `outputs` probabilities"):
        answers(built(total))
    own, found = answers(built(total), "probabilities")
    np.testing.assert_allclose(found, own / 2, atol=1e-5)
    own, found = answers(built(total), "logits")
    np.testing.assert_allclose(found, softmax(own), atol=1e-5)
    own, found = answers(built(lambda x: dense(x, "softmax")), "logits")
    np.testing.assert_allclose(found, softmax(own), atol=1e-5)


@pytest.mark.parametrize(
    "ending",
    [
        lambda x: dense(x - ops.mean(x, axis=0), "tanh", 1),
        lambda x: dense(x, "softsign"),
        lambda x: dense(x, "exponential"),
        lambda x: layers.Dense(3, kernel_initializer="identity")(layers.UnitNormalization()(x)),
        lambda x: (z := dense(x)) * z,
        lambda x: ops.norm(ops.expand_dims(x, 1) - np.eye(3, dtype=np.float32), axis=-1),
        lambda x: ops.relu(dense(x)) + 1,
        lambda x: dense(x, "softplus") + 1,
        lambda x: layers.Rescaling(1.0, offset=1.0)(dense(x, "relu")),
        expanded_distances,
    ],
)
def test_numbers_that_may_be_no_logits_are_not_guessed(ending) -> None:
    with pytest.raises(ConfigError, match="Set `outputs` logits or `outputs` probabilities"):
        answers(built(ending))


@pytest.mark.parametrize(
    ("operation", "units"), [(ops.argmax, 2), (ops.max, 3), (lambda p, **_: ops.top_k(p, 3)[0], 3)]
)
def test_answers_without_their_classes_are_refused(operation, units) -> None:
    def ending(x):
        return ops.cast(operation(dense(x, "softmax", units), axis=-1, keepdims=True), "float32")

    with pytest.raises(ModelFileError, match=r"m\.keras: ends in (Argmax|Max|TopK), which"):
        answers(built(ending))


def test_one_of_several_outputs_is_chosen_by_its_width_or_name(tmp_path) -> None:
    entry = keras.Input((SIZE, SIZE, 3))
    x = layers.GlobalAveragePooling2D()(entry)
    outputs = [layers.Dense(2, name="age")(x), layers.Dense(3, name="kind")(x)]
    keras.Model(entry, outputs).save(tmp_path / "two.keras")
    found = load_foreign(tmp_path / "two.keras", ForeignModel(("a", "b", "c"), output="kind"))
    assert found.model.output_shape == (None, 3)
    only = load_foreign(tmp_path / "two.keras", ForeignModel(("a", "b", "c")))
    assert only.model.output_shape == (None, 3)
    with pytest.raises(ModelFileError, match=r"2 outputs \(age, kind\); expected a class"):
        load_foreign(tmp_path / "two.keras", ForeignModel(("a", "b", "c", "d")))
    with pytest.raises(ConfigError, match=r"has no output 'size'\. It has: age, kind"):
        load_foreign(tmp_path / "two.keras", ForeignModel(("a", "b"), output="size"))
