"""Blocks and scopes: who may learn, and what frozen means."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.errors import ConfigError
from kerascnn.training.networks import NETWORKS, build_network
from kerascnn.training.networks.facts import load_facts
from kerascnn.training.networks.summary import summarize

RNG = np.random.default_rng(0)


def small(name: str = "resnet18", classes: int = 3) -> keras.Model:
    return build_network(name, classes, 32 if name == "resnet18" else NETWORKS[name].minimum_size)


def names(model: keras.Model) -> list[str]:
    return [block.name for block in training.blocks(model)]


def learn_once(model: keras.Model) -> None:
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    size = model.input_shape[1]
    pictures = RNG.normal(3, 2, (4, size, size, 3)).astype(np.float32)
    model.train_on_batch(pictures, np.array([0, 1, 2, 0]))


def values(model: keras.Model, frozen: bool) -> dict[str, np.ndarray]:
    chosen = {
        n for block in training.blocks(model) if block.trainable != frozen for n in block.layers
    }
    return {w.path: np.array(w) for la in model.layers if la.name in chosen for w in la.weights}


@pytest.mark.parametrize(
    ("name", "classes", "params", "state"),
    [
        ("resnet18", 1000, 11_689_512, 9_600),
        ("resnet18", 2, 11_177_538, 9_600),
        ("resnet18_kerascv", 2, 11_177_538, 9_600),
        ("resnet50", 1000, 25_583_592, 53_120),
        ("cnn", 10, None, None),
        ("lenet5", 10, 62_006, 0),
    ],
)
def test_parameters_of_all_blocks_add_up(
    name: str, classes: int, params: int | None, state: int | None
) -> None:
    summary = summarize(build_network(name, classes, 32))
    assert sum(block.params for block in summary.blocks) == summary.total_params
    assert sum(block.state for block in summary.blocks) == summary.state
    assert params in (None, summary.total_params)
    assert state in (None, summary.state)


def test_the_counts_of_the_papers_are_in_the_table() -> None:
    facts = load_facts()
    assert set(facts) == set(NETWORKS)
    expected = {"alexnet": 61_100_840, "vgg16": 138_357_544, "resnet18": 11_689_512}
    expected |= {"resnet50": 25_583_592, "resnet50_v1_5": 25_557_032, "vgg11": 132_863_336}
    assert {name: facts[name]["params"] for name in expected} == expected


@pytest.mark.parametrize("name", ["resnet18", "resnet18_kerascv"])
def test_head_only_of_resnet18(name: str) -> None:
    model = build_network(name, 2, 32)
    assert training.set_trainable(model, "head") == ("head",)
    summary = summarize(model)
    assert (summary.trainable_params, summary.total_params) == (1_026, 11_177_538)
    assert sum(b.params for b in summary.blocks if not b.trainable) == 11_176_512


def test_blocks_of_resnet50_and_efficientnet_have_the_names_people_know() -> None:
    found = names(small("resnet50"))
    assert [found[0], found[1], *found[-2:]] == ["conv1", "conv2_block1", "conv5_block3", "head"]
    assert names(small("efficientnet_b0"))[:3] == ["stem", "block1a", "block2a"]
    assert names(small("vgg11"))[:2] == ["block1", "block2"]


@pytest.mark.parametrize(
    ("scope", "learning"),
    [
        ("all", ["block1", "block2", "hidden", "head"]),
        ("head", ["head"]),
        ("block2", ["block2"]),
        ("block1, head", ["block1", "head"]),
        ("from:block2", ["block2", "hidden", "head"]),
    ],
)
def test_a_scope_means(scope: str, learning: list[str]) -> None:
    model = small("cnn")
    training.set_trainable(model, "head")  # what was frozen before must not matter
    assert list(training.set_trainable(model, scope)) == learning
    assert [block.name for block in training.blocks(model) if block.trainable] == learning
    learnable = {w.path.split("/")[0].split("_")[0] for w in model.trainable_weights}
    assert learnable == set(learning)


def test_a_stage_is_all_its_blocks() -> None:
    assert training.set_trainable(small(), "conv5") == ("conv5_block1", "conv5_block2")
    assert training.set_trainable(small(), "from:conv5")[-1] == "head"


@pytest.mark.parametrize("scope", ["conv6", "", "head,", "from:", "from:heda", "al"])
def test_an_unknown_block_lists_the_valid_ones(scope: str) -> None:
    with pytest.raises(ConfigError, match="conv5_block2, head"):
        training.set_trainable(small(), scope)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(ConfigError, match="Did you mean conv5_block2"):
        training.set_trainable(small(), "conv5_blok2")


def test_frozen_blocks_stay_bit_by_bit_and_the_others_learn() -> None:
    model = small()
    training.set_trainable(model, "from:conv5")
    frozen, learning = values(model, frozen=True), values(model, frozen=False)
    assert any("moving_mean" in path for path in frozen)
    learn_once(model)
    for path, value in values(model, frozen=True).items():
        np.testing.assert_array_equal(value, frozen[path], err_msg=path)
    for path, value in values(model, frozen=False).items():
        assert not np.array_equal(value, learning[path]), path


def test_batchnorm_train_moves_statistics_of_frozen_blocks_and_nothing_else() -> None:
    model = small()
    training.set_trainable(model, "head", batchnorm="train")
    assert summarize(model).trainable_params == 512 * 3 + 3
    before = {w.path: np.array(w) for w in model.weights}
    learn_once(model)
    moved = {w.path for w in model.weights if not np.array_equal(np.array(w), before[w.path])}
    assert {path.rpartition("/")[2] for path in moved if not path.startswith("head")} == {
        "moving_mean",
        "moving_variance",
    }
    training.set_trainable(model, "all")
    assert all(weight.trainable for weight in model.get_layer("conv1_bn").weights[:2])


def test_the_flags_survive_the_file(tmp_path: Path) -> None:
    model = small("cnn")
    training.set_trainable(model, "from:hidden")
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert training.blocks(loaded) == training.blocks(model)


def test_a_network_without_a_dense_layer_has_no_head() -> None:
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image), name="bare")
    with pytest.raises(ConfigError, match="bare: has no dense layer"):
        training.blocks(model)
