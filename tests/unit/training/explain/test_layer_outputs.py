"""Outputs of layers, captured while a network runs."""

import keras
import numpy as np
from keras import layers

from kerascnn.training.explain.layer_outputs import outputs
from kerascnn.training.networks.blocks import flat


def test_a_layer_that_two_networks_share_is_captured_and_left_as_it_was() -> None:
    shared = layers.Conv2D(2, 1, kernel_initializer="ones", name="shared")
    inputs = keras.Input((4, 4, 1))
    first, second = (keras.Sequential([keras.Input((4, 4, 1)), shared]) for _ in range(2))
    model = keras.Model(inputs, layers.Add()([first(inputs), second(inputs * 3)]))
    seen = outputs(model, np.ones((1, 4, 4, 1), np.float32), list(flat(model)))
    assert (np.asarray(seen["shared"]) == 3).all()  # the last time that it ran
    assert "call" not in vars(shared)
