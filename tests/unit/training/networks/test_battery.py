"""Every row of the table: builds, learns, freezes by block, exports, and answers the same.

A new row is tested by being there. Our own networks run always (but for AlexNet and VGG, whose
million weights a layer take long), and of those that Keras builds one of each kind of layer
(ConvNeXt with fewer blocks); of the others one, another with each commit. All but the giants run in
`scripts/test --full`.
"""

import gc
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.card import ModelCard
from kerascnn.inference.classifier import Classifier
from kerascnn.training.data.pack import Pack
from kerascnn.training.export.compose import compose, with_card
from kerascnn.training.export.core import core_model
from kerascnn.training.export.verify import measure_parity
from kerascnn.training.networks import NETWORKS, build_network
from kerascnn.training.networks.facts import facts_of, load_facts
from kerascnn.training.networks.from_pixels import from_pixels
from kerascnn.training.run.folder import Run

pytestmark = pytest.mark.timeout(900)  # only ends what hangs; the largest take a minute

FACTS = load_facts()
CLASSES = 3
GIANT = 26_000_000
"""Parameters; what is larger stands aside, unless it is the smallest of its family."""


BLOCKS = 20
"""Of those that take turns: to export hundreds of layers, as of the larger EfficientNets and of
NASNet, takes longer than any two others."""

ALWAYS = {
    "cnn", "cnn4", "lenet5", "lenet5_modern", "resnet20", "resnet9_slim", "resnet18",
    "resnet18_kerascv", "resnet50v2", "mobilenet", "mobilenet_v3_small", "efficientnet_b0",
}  # fmt: skip


LONG = {"nasnet_mobile", "resnext50_32x4d"}
"""A thousand layers, and grouped convolutions that are compiled: longer than any two others."""


def _smallest_of_each_family() -> set[str]:
    families: dict[str, str] = {}
    for name in sorted(NETWORKS, key=lambda name: FACTS[name]["params"]):
        families.setdefault(NETWORKS[name].family, name)
    return set(families.values())


def _one_more(names: list[str]) -> str:
    """Choose one by the commit, so that they take turns, and all who test it test the same."""
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, check=False
    )  # fmt: skip
    return names[zlib.crc32(head.stdout) % len(names)]


def _rows() -> Iterator[object]:
    smallest = _smallest_of_each_family()
    tested = [
        name
        for name, network in NETWORKS.items()
        # Most parameters of VGG and AlexNet come with large pictures.
        if FACTS[name]["params"] <= GIANT
        or network.counting_size == network.image_size
        or name in smallest
    ]
    turns = [
        name
        for name in tested
        if name not in ALWAYS
        and FACTS[name]["params"] <= GIANT
        and len(FACTS[name]["blocks"]) <= BLOCKS
        and name not in LONG
    ]
    chosen = ALWAYS | {_one_more(turns)}
    for name in tested:
        yield pytest.param(name, marks=() if name in chosen else pytest.mark.full)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    keras.backend.clear_session()
    gc.collect()


def pictures(size: int, count: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 4, 4, 3), np.uint8)
    return coarse.repeat(-(-size // 4), 1).repeat(-(-size // 4), 2)[:, :size, :size]


@pytest.mark.parametrize("name", list(_rows()))
def test_a_network_learns_freezes_and_answers_the_same_as_onnx(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    size = picture_size(name)
    core = build_network(name, CLASSES, size)
    model = from_pixels(core, network.normalization)
    learn(model, core, "all")
    freeze_by_each_block(core)
    last_stage = FACTS[name]["blocks"][-2]
    learn(model, core, f"{last_stage},head")
    settle_statistics(model, core, size)
    core.save(tmp_path / "model.keras")
    check_parity(name, Run(tmp_path).load_model(), size, tmp_path)


def test_a_convnext_of_few_blocks_learns_and_answers_the_same_as_onnx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds of layers of its family; to export the many blocks of the smallest takes long."""
    from keras.src.applications import convnext

    few = {"depths": [1, 1, 1, 1], "projection_dims": [24, 48, 96, 192], "default_size": 224}
    monkeypatch.setitem(convnext.MODEL_CONFIGS, "tiny", few)
    network, size = NETWORKS["convnext_tiny"], picture_size("convnext_tiny")
    core = build_network("convnext_tiny", CLASSES, size)
    assert core.count_params() < FACTS["convnext_tiny"]["params"] / 10
    model = from_pixels(core, network.normalization)
    learn(model, core, "all")
    learn(model, core, f"{training.blocks(core)[-2].name},head")
    core.save(tmp_path / "model.keras")
    check_parity("convnext_tiny", Run(tmp_path).load_model(), size, tmp_path)


def picture_size(name: str) -> int:
    """Small, but not so small that BatchNormalization sees feature maps of one pixel alone."""
    network = NETWORKS[name]
    normalizes = FACTS[name]["state"] > 0 and name != "cnn"
    return max(2 * network.minimum_size, 64) if normalizes else network.minimum_size


def learn(model: keras.Model, core: keras.Model, scope: str) -> None:
    """One step; what is in the scope changes and nothing else does."""
    training.set_trainable(core, scope)
    frozen = [
        w for la in core.layers if not la.trainable for w in la.weights if "seed" not in w.path
    ]
    learning = core.trainable_weights
    before = [np.array(w) for w in [*frozen, *learning]]
    model.compile(
        keras.optimizers.SGD(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,  # a step is done sooner than a graph of it is made
    )
    batch = pictures(core.input_shape[1])
    loss = model.train_on_batch(batch, np.arange(len(batch)) % CLASSES)
    assert np.isfinite(loss)
    for old, weight in zip(before, frozen, strict=False):
        np.testing.assert_array_equal(np.array(weight), old, err_msg=weight.path)
    after = [np.array(w) for w in learning]
    changed = sum(
        not np.array_equal(a, b) for a, b in zip(before[len(frozen) :], after, strict=True)
    )
    assert changed > len(learning) / 2, f"{changed} of {len(learning)} weights learned"


def freeze_by_each_block(core: keras.Model) -> None:
    blocks = training.blocks(core)
    assert [b.name for b in blocks] == FACTS[core.name]["blocks"]
    assert sum(b.params for b in blocks) == sum(b.trainable_params for b in _all(core))
    check_counts(core, blocks)
    for block in blocks:
        assert training.set_trainable(core, block.name) == (block.name,)
        learnable = sum(int(np.prod(w.shape)) for w in core.trainable_weights)
        assert learnable == block.params


def check_counts(core: keras.Model, blocks: tuple[training.Block, ...]) -> None:
    """As in the table, which counts them with a head of 1,000 classes."""
    if NETWORKS[core.name].counting_size == NETWORKS[core.name].minimum_size:
        features = core.get_layer("head").kernel.shape[0]
        found = sum(b.params for b in blocks[:-1]) + 1000 * (features + 1)
        assert found == FACTS[core.name]["params"]
        assert sum(b.state for b in blocks) == FACTS[core.name]["state"]


def _all(core: keras.Model) -> tuple[training.Block, ...]:
    training.set_trainable(core, "all")
    return training.blocks(core)


def settle_statistics(model: keras.Model, core: keras.Model, size: int) -> None:
    """Let BatchNormalization see the data: untrained statistics make answers explode."""
    training.set_trainable(core, "all")
    for layer in core.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    # Of 64 pictures: with few, some channels hardly vary, and dividing by that amplifies rounding.
    model(pictures(size, 64), training=True)


def check_parity(name: str, core: keras.Model, size: int, tmp_path: Path) -> None:
    card = ModelCard(name, name, ("a", "b", "c"), size, "squash", NETWORKS[name].normalization)
    file = tmp_path / "m.onnx"
    file.write_bytes(with_card(compose(core_model(core), card), card).SerializeToString())
    images = pictures(size)
    pack = Pack(images, np.zeros(len(images), np.int64), ("x",) * len(images), (), "")
    parity = measure_parity(file, core, card, pack, "generated")
    assert parity.top1_mismatches == 0
    assert parity.max_abs_diff <= 1e-4
    probabilities = Classifier(file).run(images)[1]
    assert len(np.unique(probabilities.round(6), axis=0)) > 1, "it says the same of every picture"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "lenet5", "alexnet", "vgg16"])
def test_networks_that_flatten_have_the_counts_of_the_table(name: str) -> None:
    """The battery counts the others; of these, parameters depend on the image size."""
    built = build_network(name, 1000, NETWORKS[name].counting_size)
    assert facts_of(built) == FACTS[name]


def test_every_network_of_keras_applications_has_a_row() -> None:
    theirs = {
        name
        for name, thing in vars(keras.applications).items()
        if callable(thing) and name[0].isupper()
    }
    rows = {row.recipe.get("application") for row in NETWORKS.values()} - {None}
    assert len(theirs) >= 38
    assert theirs == rows
