"""Our AdamW learns what Keras' AdamW learns."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerascnn.training.networks import build_network
from kerascnn.training.optimizers.adamw import AdamW


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_takes_the_steps_of_keras_own(decay: float) -> None:
    random = np.random.default_rng(0)
    pictures = random.normal(size=(8, 16, 16, 3)).astype(np.float32)
    labels = np.arange(8) % 3
    ours, theirs = build_network("cnn", 3, 16), build_network("cnn", 3, 16)
    theirs.set_weights(ours.get_weights())
    start = [np.array(weight) for weight in ours.trainable_weights]
    options = {"learning_rate": 0.003, "weight_decay": decay}
    for network, kind in ((ours, AdamW), (theirs, keras.optimizers.AdamW)):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(kind(**options), loss)
        for _ in range(3):
            network.train_on_batch(pictures, labels)
    for old, mine, keras_own in zip(
        start, ours.trainable_weights, theirs.trainable_weights, strict=True
    ):
        if old.ndim == 1:  # a bias in front of BatchNorm: its gradient is nothing but rounding
            continue
        moved = np.array(keras_own) - old
        assert np.abs(moved).max() > 1e-3
        np.testing.assert_allclose(np.array(mine) - old, moved, rtol=0.02, atol=2e-5)


def test_what_is_left_out_of_the_decay_does_not_decay() -> None:
    network = build_network("cnn", 3, 16)
    optimizer = AdamW(learning_rate=0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    optimizer.build(network.trainable_variables)
    kernel, bias = network.trainable_variables[:2]
    bias.assign(np.ones(bias.shape))
    before = np.array(kernel)
    still = [np.zeros(variable.shape, np.float32) for variable in network.trainable_variables]
    optimizer.apply(still, network.trainable_variables)
    np.testing.assert_array_equal(np.array(kernel), before)
    np.testing.assert_allclose(np.array(bias), 0.95, rtol=1e-6)
