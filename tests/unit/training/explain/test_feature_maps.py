"""Kernels and feature maps, against the lesson's own convolution."""

import numpy as np
import pytest

from kerascnn.convolution import convolve, pool
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError
from kerascnn.training.explain.feature_maps import features_of
from kerascnn.training.run.folder import open_run

pytestmark = pytest.mark.slow


def boot() -> np.ndarray:
    return load_dataset("fashion-mini").splits["test"].pictures[0]


def test_the_maps_of_the_first_block_can_be_worked_out_by_hand(trained):
    run = open_run(trained)
    found = features_of(run, boot())
    core, card = run.load_model(), run.card
    pixels = (found.picture - np.array(card.normalization.mean)) / card.normalization.std
    answer = convolve(pixels, found.kernels) + core.get_layer("block1_conv").get_weights()[1]
    scale, offset, mean, variance = core.get_layer("block1_bn").get_weights()
    normal = (answer - mean) / np.sqrt(variance + 1e-5) * scale + offset
    by_hand = pool(np.maximum(normal, 0), 2)
    first = found.blocks[0]
    assert (first.block, first.layer, first.shape) == ("block1", "block1_pool", (14, 14, 7))
    assert first.channels == (0, 1, 2, 3, 4, 5, 6)
    assert first.maps == pytest.approx(by_hand.transpose(2, 0, 1), abs=1e-3)


def test_the_strongest_maps_of_one_block(trained):
    run = open_run(trained)
    every = features_of(run, boot(), "block2", count=64).blocks[0]
    some = features_of(run, boot(), "block2", count=4).blocks[0]
    assert every.maps.shape == (15, 7, 7)
    strength = np.abs(every.maps).mean((1, 2))
    assert set(some.channels) == set(np.argsort(-strength)[:4])
    assert (some.maps == every.maps[list(some.channels)]).all()


def test_a_block_without_maps_is_refused_with_those_that_have_some(trained):
    with pytest.raises(ConfigError, match=r"'head'.*block1, block2"):
        features_of(open_run(trained), boot(), "head")
