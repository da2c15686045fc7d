"""Convolutions with channels of zeros in front of BatchNormalization learn what Keras' own do."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from kerascnn.training.mixed_precision import set_precision
from kerascnn.training.trainer import padded_channels


@pytest.fixture(autouse=True)
def avx512(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The processor has AVX-512, unless a test's parameter says otherwise."""
    there = getattr(request, "param", True)
    monkeypatch.setattr(padded_channels, "has_avx512", lambda: there)


def block(x: Any, filters: int, after: Any = None, **options) -> Any:
    """Build a convolution, BatchNormalization, and ReLU or what takes its place."""
    x = layers.Conv2D(filters, 3, **{"padding": "same", **options})(x)
    x = layers.BatchNormalization(momentum=0.5)(x)
    return (after or layers.ReLU())(x)


def usual(x: Any, one: int = 7, two: int = 15, **options) -> Any:
    """Build the baseline CNN's form."""
    x = layers.MaxPooling2D(2)(block(x, one, **options))
    return layers.Flatten()(layers.MaxPooling2D(2)(block(x, two, **options)))


def residual(x: Any) -> Any:
    """Build a sum, which takes no channels of zeros, and global average pooling."""
    x = block(x, 12)
    x = layers.Add()([x, block(x, 12)])
    return layers.GlobalAveragePooling2D()(block(x, 16))


def without_batchnorm(x: Any) -> Any:
    """Build convolutions of which one alone has BatchNormalization behind it."""
    x = layers.Conv2D(10, 3, activation="relu")(x)
    x = layers.Conv2D(6, 3)(block(x, 5))
    return layers.Flatten()(x)


def used_twice(x: Any) -> Any:
    """Build a convolution whose output goes through BatchNormalization and past it."""
    x = layers.Conv2D(6, 3, padding="same")(x)
    x = layers.Concatenate()([x, layers.BatchNormalization()(x)])
    return layers.Flatten()(layers.Softmax()(x))


FORMS: dict[str, Callable[[Any], Any]] = {
    "7 and 15": usual,
    "6 and 10": lambda x: usual(x, 6, 10),
    "20 and 28": lambda x: usual(x, 20, 28),
    "1 and 18": lambda x: usual(x, 1, 18),
    "strides": lambda x: usual(x, strides=2),
    "no bias, dilated": lambda x: usual(x, use_bias=False, dilation_rate=2),
    "ReLU in the convolution": lambda x: usual(x, activation="relu"),
    "softmax in the convolution": lambda x: usual(x, activation="softmax"),
    "silu": lambda x: usual(x, after=layers.Activation("silu")),
    "softmax": lambda x: usual(x, after=layers.Activation("softmax")),
    "a threshold": lambda x: usual(x, after=layers.ReLU(threshold=0.5, negative_slope=0.1)),
    "average pooling": lambda x: usual(x, after=layers.AveragePooling2D(2, padding="same")),
    "grouped": lambda x: block(block(x, 6), 12, layers.Flatten(), groups=2),
    "residual": residual,
    "without BatchNormalization": without_batchnorm,
    "used twice": used_twice,
}


def network(form: str) -> keras.Model:
    """Build a network whose scales and offsets are not all alike."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, layers.Dense(2)(FORMS[form](image)))
    random = np.random.default_rng(1)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return model


def kernels(graph: Any) -> set[int]:
    """The filters of the kernels that get gradients."""
    return {
        one.inputs[2].shape[-1]
        for one in graph.get_operations()
        if one.type == "Conv2DBackpropFilter"
    }


@pytest.mark.parametrize("form", FORMS)
def test_logits_gradients_and_statistics_are_those_of_keras(form: str, step) -> None:
    keras_one, ours = network(form), network(form)
    expected, found = step(keras_one, fused=False), step(ours, fused=True)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)
    for one, two, weight in zip(found[1], expected[1], ours.trainable_weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=5e-3, err_msg=weight.path)
    for one, two in zip(ours.weights, keras_one.weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5, err_msg=one.path)
    assert not [layer.name for layer in ours.layers if "call" in vars(layer)]


@pytest.mark.parametrize(
    ("form", "filters", "avx512"),
    [
        ("7 and 15", {8, 16}, True),
        ("20 and 28", {32}, True),
        ("1 and 18", {8, 18}, True),
        ("softmax in the convolution", {7, 15}, True),
        ("without BatchNormalization", {10, 8, 6}, True),
        ("7 and 15", {8, 16}, False),
        ("20 and 28", {20, 28}, False),
        ("6 and 10", {8, 10}, False),
        ("residual", {16}, False),
    ],
    indirect=["avx512"],
)
def test_filters_are_added_where_batchnormalization_gains_by_them(
    form: str, filters: set[int], step
) -> None:
    assert kernels(step(network(form), fused=True)[2]) == filters


def test_bfloat16_differs_by_its_rounding(step) -> None:
    keras_one, ours = network("7 and 15"), network("7 and 15")
    for model in (keras_one, ours):
        set_precision(model, "mixed_bfloat16")
    step(keras_one, fused=False)
    assert kernels(step(ours, fused=True)[2]) == {16}
    for one, two in zip(ours.weights, keras_one.weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=0.02, atol=0.05, err_msg=one.path)


def test_a_frozen_layer_keeps_its_statistics(step) -> None:
    model = network("7 and 15")
    frozen = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    frozen[0].trainable = False
    before = [np.asarray(one) for one in frozen[0].weights]
    assert kernels(step(model, fused=True)[2]) == {7, 16}
    for one, two in zip(frozen[0].weights, before, strict=True):
        np.testing.assert_array_equal(one, two)
