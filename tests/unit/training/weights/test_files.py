"""First weights from Keras' files, from libraries, and what is wrong with the others."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.training.config import TrainConfig
from kerascnn.training.networks import NETWORKS, build_network
from kerascnn.training.networks.row import CAFFE, INSIDE, TORCH, UNIT
from kerascnn.training.weights.start import start_network

SIZE = 16


def network(classes: int = 4, name: str = "cnn") -> keras.Model:
    return build_network(name, classes, SIZE)


def same(one: keras.Model, other: keras.Model, but: str = "-") -> bool:
    pairs = zip(one.weights, other.weights, strict=True)
    return all(
        np.array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
        for a, b in pairs
        if not a.path.startswith(but)
    )


@pytest.mark.parametrize("called", ["m.keras", "m.h5", "m.hdf5", "M.WEIGHTS.H5"])
@pytest.mark.parametrize("kind", [".keras", ".weights.h5", ".h5"])
def test_a_file_is_known_by_what_is_in_it(kind: str, called: str, tmp_path: Path) -> None:
    saved, path = network(), tmp_path / f"own{kind}"
    saved.save_weights(path) if kind == ".weights.h5" else saved.save(path)
    assert same(start_network("cnn", 4, SIZE, str(path.rename(tmp_path / called))).core, saved)


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
@pytest.mark.parametrize("name", ["cnn", pytest.param("resnet18", marks=pytest.mark.full)])
def test_a_whole_network_comes_back(kind: str, name: str, tmp_path: Path) -> None:
    saved = network(name=name)
    path = tmp_path / f"m{kind}"
    saved.save(path) if kind == ".keras" else saved.save_weights(path)
    start = start_network(name, 4, SIZE, str(path))
    assert same(start.core, saved)
    assert not start.fresh_head


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_a_head_of_another_class_count_is_replaced(kind: str, tmp_path: Path) -> None:
    saved = network(classes=7)
    path = tmp_path / f"m{kind}"
    saved.save(path) if kind == ".keras" else saved.save_weights(path)
    start = start_network("cnn", 4, SIZE, str(path))
    assert start.fresh_head
    assert same(start.core, saved, but="head")


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_weights_of_a_training_that_failed_are_refused(odd: float, tmp_path: Path) -> None:
    saved = network()
    saved.weights[0].assign(keras.ops.full(saved.weights[0].shape, odd))
    saved.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"m\.keras: .* holds numbers that are not finite"):
        start_network("cnn", 4, SIZE, str(tmp_path / "m.keras"))


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_a_backbone_alone_is_enough(kind: str, tmp_path: Path) -> None:
    saved = network(name="resnet20")
    backbone = keras.Model(saved.inputs[0], saved.layers[-1].input)
    path = tmp_path / f"m{kind}"
    backbone.save(path) if kind == ".keras" else backbone.save_weights(path)
    start = start_network("resnet20", 4, SIZE, str(path))
    assert start.fresh_head
    assert same(start.core, saved, but="head")


def test_the_old_h5_comes_back(tmp_path: Path) -> None:
    from keras.src.legacy.saving import legacy_h5_format

    saved = network()
    path = tmp_path / "m.h5"
    legacy_h5_format.save_model_to_hdf5(saved, str(path), include_optimizer=False)
    assert same(start_network("cnn", 4, SIZE, str(path)).core, saved)


def test_the_preprocessing_is_that_of_the_card_beside_the_file(tmp_path: Path) -> None:
    network().save(tmp_path / "model.keras")
    weights = str(tmp_path / "model.keras")
    assert start_network("cnn", 4, SIZE, weights).normalization == UNIT
    card = ModelCard("m", "cnn", ("a", "b", "c", "d"), SIZE, "squash", CAFFE)
    (tmp_path / "card.json").write_text(card.to_json())
    assert start_network("cnn", 4, SIZE, weights).normalization == CAFFE


@pytest.mark.parametrize("kind", [".keras", ".weights.h5", ".h5", ".safetensors"])
def test_a_broken_file_is_told_in_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{kind}"
    path.write_bytes(b"\x89HDF\r\n\x1a\nnot really" * 9)
    name = "resnet18" if kind == ".safetensors" else "cnn"
    with pytest.raises(ModelFileError, match="truncated") as caught:
        start_network(name, 4, SIZE, str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_a_truncated_file_leaves_no_run(kind: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{kind}"
    saved = build_network("cnn", 10, 32)
    saved.save(whole) if kind == ".keras" else saved.save_weights(whole)
    half = tmp_path / f"half{kind}"
    half.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(ModelFileError, match="half"):
        training.fit(TrainConfig(out=str(tmp_path / "run"), weights=str(half)))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_weights_of_another_network_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{kind}"
    saved = network()
    saved.save(path) if kind == ".keras" else saved.save_weights(path)
    with pytest.raises(ModelFileError, match=r"m\.(keras|weights)"):
        start_network("resnet20", 4, SIZE, str(path))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("gone.keras", "no such file"),
        ("imagnet", "no such file"),
        ("notes.txt", "not a weights file"),
    ],
)
def test_what_is_no_file_of_weights(weights: str, message: str, tmp_path: Path) -> None:
    Path("notes.txt").write_text("hello")
    with pytest.raises(ModelFileError, match=message):
        training.fit(TrainConfig(out=str(tmp_path / "run"), weights=weights))
    assert not (tmp_path / "run").exists()


def test_imagenet_offline_is_one_sentence_and_no_run(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="mobilenet are not on this machine and cannot"):
        training.fit(
            TrainConfig(
                out=str(tmp_path / "run"), model="mobilenet", weights="imagenet", image_size=32
            )
        )
    assert not (tmp_path / "run").exists()


def test_no_imagenet_weights_where_there_are_none() -> None:
    with pytest.raises(ConfigError, match=r"no ImageNet weights for cnn.*resnet50"):
        start_network("cnn", 4, SIZE, "imagenet")
    with pytest.raises(ConfigError, match="no ImageNet weights for resnet18_small"):
        start_network("resnet18_small", 4, 32, "imagenet")


MODULES = {
    "vgg": "vgg16", "resnet": "resnet", "resnet_v2": "resnet_v2", "efficientnet": "efficientnet",
    "efficientnet_v2": "efficientnet_v2", "convnext": "convnext", "densenet": "densenet",
    "inception": "inception_v3", "inception_resnet": "inception_resnet_v2",
    "xception": "xception", "mobilenet": "mobilenet", "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3": "mobilenet_v3", "nasnet": "nasnet",
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n, row in NETWORKS.items() if row.family in MODULES])
def test_our_preprocessing_is_the_librarys_own(name: str, photograph: object) -> None:
    from kerascnn.training.networks.from_pixels import Normalize

    row = NETWORKS[name]
    picture = photograph(40, 30)[None].astype(np.float32)  # type: ignore[operator]
    library = getattr(keras.applications, MODULES[row.family])
    theirs = library.preprocess_input(picture.copy())
    assert row.imagenet is not None
    ours = keras.ops.convert_to_numpy(Normalize(row.imagenet)(picture))
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_keras_hubs_preprocessing_is_pytorchs(photograph: object) -> None:
    assert NETWORKS["resnet18"].imagenet == TORCH
    picture = photograph(8, 8).astype(np.float64) / 255  # type: ignore[operator]
    expected = (picture - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = (picture * 255 - TORCH.mean) / TORCH.std
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_efficientnet_normalizes_inside_as_with_imagenet_weights() -> None:
    """Also from nothing: the graph is the same whatever the weights."""
    assert NETWORKS["efficientnet_b0"].normalization == INSIDE
    names = [layer.name for layer in build_network("efficientnet_b0", 2, 32).layers[:4]]
    assert names == ["pixels", "stem_rescaling1", "stem_normalization1", "stem_rescaling2"]


def test_the_run_remembers_where_it_started(tmp_path: Path) -> None:
    network().save(tmp_path / "w.keras")
    config = TrainConfig(weights=str(tmp_path / "w.keras"), trainable="head")
    assert json.loads(config.to_json())["weights"].endswith("w.keras")
