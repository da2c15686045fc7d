"""BatchNormalization as one operation learns what Keras' own layer does."""

from typing import Any

import keras
import numpy as np
import pytest

from kerascnn.training.mixed_precision import set_precision


def network(channels: int = 16, **options) -> keras.Model:
    """Build two convolutions, of which one has a multiple of 8 channels."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2D(channels, 3, padding="same", name="one"),
            keras.layers.BatchNormalization(name="fused", momentum=0.5, **options),
            keras.layers.ReLU(),
            keras.layers.Conv2D(7, 3, padding="same", name="two"),
            keras.layers.BatchNormalization(name="padded", momentum=0.5, **options),
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="head"),
        ]
    )


def operations(graph: Any) -> set[str]:
    return {one.type for one in graph.get_operations()}


@pytest.mark.parametrize("options", [{}, {"epsilon": 1e-5}, {"channels": 8}, {"channels": 24}])
def test_logits_gradients_and_statistics_are_those_of_keras(options: dict[str, Any], step) -> None:
    keras_one, ours = network(**options), network(**options)
    expected, found = step(keras_one, fused=False), step(ours, fused=True)
    assert "FusedBatchNormV3" in operations(found[2])
    assert "FusedBatchNormV3" not in operations(expected[2])
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-5)
    for one, two in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)
    for one, two in zip(ours.weights, keras_one.weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6, err_msg=one.path)


def test_bfloat16_normalizes_in_float32(step) -> None:
    keras_one, ours = network(), network()
    for model in (keras_one, ours):
        set_precision(model, "mixed_bfloat16")
    step(keras_one, fused=False)
    step(ours, fused=True)
    for one, two in zip(ours.weights, keras_one.weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=0.02, atol=0.02, err_msg=one.path)


def test_frozen_statistics_stay_and_the_layer_is_an_ordinary_one_afterwards(step) -> None:
    model = network()
    for layer in model.layers[1], model.layers[4]:
        layer.trainable = False
    before = [np.asarray(one) for one in model.get_layer("fused").weights]
    assert "FusedBatchNormV3" not in operations(step(model, fused=True)[2])
    for one, two in zip(model.get_layer("fused").weights, before, strict=True):
        np.testing.assert_array_equal(one, two)
    assert "call" not in vars(model.get_layer("fused"))
    model.get_layer("fused").trainable = True
    step(model, fused=True)
    assert "call" not in vars(model.get_layer("fused"))
