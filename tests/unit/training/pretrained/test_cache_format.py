"""Weights of our own making, in the libraries' cache formats, reach our networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn.errors import ModelFileError
from kerascnn.training.networks import NETWORKS
from kerascnn.training.pretrained import PRETRAINED, cached
from kerascnn.training.pretrained.cache import place_of
from kerascnn.training.pretrained.catalog import HubPreset
from kerascnn.training.weights.start import start_network

from .conftest import HDF5


@pytest.mark.parametrize(
    "name", ["mobilenet", pytest.param("mobilenet_v3_small", marks=pytest.mark.full)]
)
def test_a_file_of_keras_applications_reaches_our_layers(
    name: str,
    library_file: Callable[[str], keras.Model],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    library = library_file(name)
    start = start_network(name, 5, 64, "imagenet")
    assert start.normalization == NETWORKS[name].imagenet
    assert start.fresh_head
    theirs = [keras.ops.convert_to_numpy(w) for w in library.weights][:-2]
    ours = [keras.ops.convert_to_numpy(w) for w in start.core.weights][:-2]
    assert len(theirs) == len(ours)
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(expected.squeeze(), found.squeeze())


def test_a_preset_of_keras_hub_reaches_our_layers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import keras_hub

    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    source = PRETRAINED["resnet18"]
    assert isinstance(source, HubPreset)
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512], stackwise_num_blocks=[2, 2, 2, 2],
        stackwise_num_strides=[1, 2, 2, 2], block_type="basic_block", image_shape=(64, 64, 3),
    )  # fmt: skip
    backbone.save_to_preset(str(tmp_path / "models" / source.handle / "3"))
    assert cached("resnet18") is not None
    start = start_network("resnet18", 4, 64, "imagenet")
    picture = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    expected = np.asarray(backbone(picture)).mean(axis=(1, 2))
    features = keras.Model(start.core.inputs[0], start.core.layers[-1].input)
    np.testing.assert_allclose(np.asarray(features(picture)), expected, rtol=1e-4, atol=1e-5)


def test_another_networks_file_is_one_line(
    known: Callable[[str, bytes], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = place_of(PRETRAINED["mobilenet"])  # type: ignore[arg-type]
    path.parent.mkdir(parents=True)
    path.write_bytes(HDF5)
    known("mobilenet", HDF5)
    with pytest.raises(ModelFileError, match="kerascnn weights fetch mobilenet") as caught:
        start_network("mobilenet", 4, 64, "imagenet")
    assert "\n" not in str(caught.value)
