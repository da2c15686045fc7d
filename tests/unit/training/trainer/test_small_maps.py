"""Convolutions of very small maps as products of matrices learn what Keras' own do."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from kerascnn.training.mixed_precision import set_precision

CASES: dict[str, tuple[tuple[int, int], Callable[[Any], Any]]] = {
    "1 x 1": ((1, 1), lambda x: conv(x)),
    "2 x 2": ((2, 2), lambda x: conv(x)),
    "3 x 5": ((3, 5), lambda x: conv(x)),
    "a stride": ((4, 4), lambda x: conv(x, strides=2)),
    "a stride, odd sizes": ((5, 3), lambda x: conv(x, strides=2)),
    "two strides": ((4, 6), lambda x: conv(x, strides=(1, 2))),
    "kernel of 1 x 1": ((4, 4), lambda x: conv(x, kernel=1)),
    "kernel of 1 x 1, a stride": ((4, 4), lambda x: conv(x, kernel=1, strides=2)),
    "kernel of 2 x 3": ((4, 4), lambda x: conv(x, kernel=(2, 3))),
    "no padding": ((4, 5), lambda x: conv(x, padding="valid")),
    "padding before": ((4, 4), lambda x: conv(zeros(x, 1), strides=2, padding="valid")),
    "uneven padding before": ((3, 4), lambda x: conv(zeros(x, ((1, 0), (2, 1))), padding="valid")),
    "both paddings": ((2, 2), lambda x: conv(zeros(x, 1))),
    "used past the convolution": ((2, 2), lambda x: layers.Add()([x, conv(x)])),
    "188 filters computed as 192": ((2, 2), lambda x: conv(conv(x, filters=188))),
    "bias and activation": ((2, 2), lambda x: conv(x, use_bias=True, activation="silu")),
}
OTHERS: dict[str, tuple[tuple[int, int], Callable[[Any], Any]]] = {
    "large maps": ((6, 6), lambda x: conv(x)),
    "kernel of 5 x 5": ((2, 2), lambda x: conv(x, kernel=5)),
    "few channels": ((2, 2), lambda x: conv(x, filters=8)),
    "dilated": ((4, 4), lambda x: conv(x, dilation_rate=2)),
    "grouped": ((2, 2), lambda x: conv(x, groups=2)),
    "one of 1 x 1 that reads padding": (
        (2, 2),
        lambda x: conv(zeros(x, ((1, 0), (0, 1))), kernel=1, strides=2, padding="valid"),
    ),
    "outputs of padding alone": ((2, 1), lambda x: conv(zeros(x, (3, 0)), kernel=(2, 1))),
}


def conv(x: Any, filters: int = 192, kernel: Any = 3, **options) -> Any:
    """Build a convolution and BatchNormalization; no ReLU, whose kink would amplify rounding."""
    options = {"padding": "same", "use_bias": False, **options}
    x = layers.Conv2D(filters, kernel, **options)(x)
    return layers.BatchNormalization(momentum=0.5)(x)


def zeros(x: Any, padding: Any) -> Any:
    """Build a layer of padding."""
    return layers.ZeroPadding2D(padding)(x)


def network(case: str) -> keras.Model:
    """Build a network around the case."""
    keras.utils.set_random_seed(0)
    size, form = {**CASES, **OTHERS}[case]
    image = keras.Input((*size, 192))
    scaled = layers.BatchNormalization()(image)  # its gradients are those of the case's input
    return keras.Model(image, layers.Dense(2)(layers.Flatten()(form(scaled))))


def is_split(graph: Any) -> bool:
    """Return whether there are products of matrices besides that of the dense layer."""
    types = [one.type for one in graph.get_operations()]
    return types.count("MatMul") > 3  # its own and its gradients'


@pytest.mark.parametrize("case", [*CASES, *OTHERS])
def test_logits_gradients_and_statistics_are_those_of_keras(case: str, step) -> None:
    keras_one, ours = network(case), network(case)
    expected, found = step(keras_one, fused=False), step(ours, fused=True)
    assert is_split(found[2]) == (case in CASES)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)
    for one, two in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)
    for one, two in zip(ours.weights, keras_one.weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5, err_msg=one.path)
    assert not [layer for layer in ours.layers if {"call", "convolution_op"} & set(vars(layer))]


def test_bfloat16_differs_by_its_rounding(step) -> None:
    keras_one, ours = network("padding before"), network("padding before")
    for model in (keras_one, ours):
        set_precision(model, "mixed_bfloat16")
    expected, found = step(keras_one, fused=False), step(ours, fused=True)
    assert is_split(found[2])
    for one, two in zip(found[1], expected[1], strict=True):
        assert np.linalg.norm(one - two) <= 0.1 * np.linalg.norm(two)
