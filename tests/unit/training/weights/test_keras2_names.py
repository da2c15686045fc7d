"""Files of Keras 2: names with ``/`` in them, long lists of names, LayerScale, and no top.

Compared is what our network answers with what tf_keras, which wrote the file, answers.
"""

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from kerascnn.training.networks import NETWORKS
from kerascnn.training.weights.start import start_network

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE, CLASSES = 32, 5
LEAST = {"inception_v3": 75}
"""Smallest input of networks that Keras does not build at :data:`SIZE`, in pixels."""


def model_of(name: str, top: bool = True) -> Any:
    tf_keras.backend.clear_session()
    side = LEAST.get(name, SIZE)
    made = getattr(tf_keras.applications, NETWORKS[name].recipe["application"])(
        weights=None, input_shape=(side, side, 3), include_top=top,
        **({"classes": CLASSES, "classifier_activation": None} if top else {}),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for weight in made.weights:
        if len(weight.shape) > 1:
            weight.assign(weight * (1 + 0.3 * rng.standard_normal(weight.shape)))
        elif len(weight.shape) == 1:
            weight.assign(weight + 0.1 * rng.standard_normal(weight.shape))
    for layer in made.layers:
        layer.momentum = 0.0
    made(rng.uniform(0, 255, (8, side, side, 3)) * rng.uniform(0, 1, (8, 1, 1, 3)), training=True)
    return made


def nested(name: str) -> Any:
    backbone, k = model_of(name, top=False), tf_keras.layers
    return tf_keras.Sequential([backbone, k.GlobalAveragePooling2D(), k.Dense(CLASSES, name="my")])


def save(model: Any, path: Path) -> str:
    if path.name.endswith("weights.h5"):
        model.save_weights(path.with_name("old.h5"))
        return str(path.with_name("old.h5"))
    model.save(path)
    return str(path)


def check_answers(model: Any, core: Any) -> None:
    both = pictures(model.input_shape[1])
    theirs = model(both).numpy()
    assert np.ptp(theirs, axis=0).max() > 0.01 * np.abs(theirs).max()
    np.testing.assert_allclose(core(both), theirs, atol=1e-4 * np.abs(theirs).max())


def pictures(side: int = SIZE) -> Any:
    """Give a bright one and a dark one."""
    levels = np.random.default_rng(1).uniform(0, 255, (2, side, side, 3))
    return (levels * [[[[1.0]]], [[[0.1]]]]).astype(np.float32)


FULL = pytest.mark.full


@pytest.mark.parametrize("ending", ["weights.h5", "h5", pytest.param("keras", marks=FULL)])
@pytest.mark.parametrize(
    "name", ["mobilenet_v3_small", *(pytest.param(n, marks=FULL)
                                     for n in ("densenet121", "mobilenet_v3_large", "convnext_tiny",
                                               "mobilenet_v2", "inception_v3"))],
)  # fmt: skip
def test_the_whole_network_answers_as_in_keras_2(name: str, ending: str, tmp_path: Path) -> None:
    model = model_of(name)
    path = save(model, tmp_path / f"own.{ending}")
    start = start_network(name, CLASSES, LEAST.get(name, SIZE), path)
    check_answers(model, start.core)
    assert not start.fresh_head


@pytest.mark.parametrize("name", ["densenet121", pytest.param("mobilenet_v2", marks=FULL)])
def test_a_nested_backbone_and_its_head_answer_as_in_keras_2(name: str, tmp_path: Path) -> None:
    model = nested(name)
    start = start_network(name, CLASSES, SIZE, save(model, tmp_path / "own.h5"))
    check_answers(model, start.core)
    assert not start.fresh_head


@pytest.mark.full
def test_convnext_without_its_top_is_taken_up_to_the_pooling(tmp_path: Path, caplog: Any) -> None:
    """Its last normalization stands before the pooling there: no head behind it means the same."""
    model = nested("convnext_tiny")
    start = start_network("convnext_tiny", CLASSES, SIZE, save(model, tmp_path / "own.h5"))
    assert start.fresh_head
    assert "left out: layer_normalization, my" in caplog.text
    before = start.core.get_layer("post_layernorm").input
    ours = keras.Model(start.core.inputs, before)(pictures())
    theirs = tf_keras.Model(model.layers[0].input, model.layers[0].layers[-2].output)(pictures())
    np.testing.assert_allclose(ours, theirs.numpy().mean((1, 2)), rtol=1e-4, atol=1e-4)


def test_a_list_of_names_too_long_for_one_attribute_is_read(tmp_path: Path) -> None:
    """Keras 2 parts it, as for NASNet's 1,126 weights inside another model."""
    path = save(nested("mobilenet"), tmp_path / "own.h5")
    with h5py.File(path, "a") as file:
        weights = file["model_weights"]
        for group, attribute in ((weights, "layer_names"),
                                 (weights["mobilenet_1.00_32"], "weight_names")):  # fmt: skip
            names = list(group.attrs.pop(attribute))
            group.attrs.update({f"{attribute}0": names[:2], f"{attribute}1": names[2:]})
    assert not start_network("mobilenet", CLASSES, SIZE, path).fresh_head


@pytest.mark.parametrize("make", [model_of, nested])
def test_names_that_tensorflow_1_numbered_are_known(make: Any, tmp_path: Path) -> None:
    """Of a model that was loaded and saved again: ``conv_pw_1_1/kernel:0`` of ``conv_pw_1``."""
    model = make("mobilenet")
    path = save(model, tmp_path / "own.h5")
    with h5py.File(path, "a") as file:
        for group in file["model_weights"].values():
            names = [str(name) for name in group.attrs["weight_names"]]
            again = ["_1/".join(name.rsplit("/", 1)) for name in names]
            for old, new in zip(names, again, strict=True):
                group.move(old, new)
            group.attrs["weight_names"] = [name.encode() for name in again]
    start = start_network("mobilenet", CLASSES, SIZE, path)
    check_answers(model, start.core)
    assert not start.fresh_head
