"""ResNets: small pictures, the small stem, and what keras-cv's padding does."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerascnn import training
from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError, MissingExtraError
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.pack import Pack
from kerascnn.training.export.compose import compose, with_card
from kerascnn.training.export.core import core_model
from kerascnn.training.export.verify import measure_parity
from kerascnn.training.networks import NETWORKS, build_network
from kerascnn.training.networks.blocks import blocks
from kerascnn.training.networks.summary import summarize


def shapes(model: keras.Model) -> dict[str, tuple[int | None, ...]]:
    return {row.name: row.output_shape for row in summarize(model).layers}


def test_resnet18_takes_pictures_of_28_pixels() -> None:
    found = shapes(build_network("resnet18", 10, 28))
    assert found["conv1_conv"] == (14, 14, 64)
    assert found["conv1_pool1_pool"] == (7, 7, 64)
    sides = [found[f"conv{stage}_block2_out"][0] for stage in (2, 3, 4, 5)]
    assert sides == [7, 4, 2, 1]
    assert found["head"] == (10,)


def test_the_small_stem_keeps_every_pixel() -> None:
    model = build_network("resnet18_small", 10, 28)
    kernel = model.get_layer("conv1_conv").kernel
    assert tuple(kernel.shape) == (3, 3, 3, 64)
    found = shapes(model)
    assert found["conv1_conv"] == (28, 28, 64)
    assert not [layer for layer in found if "pool1" in layer or "conv1_pad" in layer]
    assert next(s for n, s in found.items() if n.startswith("conv2_block1"))[:2] == (28, 28)
    standard = summarize(build_network("resnet18", 10, 28)).total_params
    assert standard - summarize(model).total_params == (49 - 9) * 3 * 64


def test_the_small_stem_learns_and_answers_the_same_as_onnx(
    tmp_path: Path, photograph: object
) -> None:
    model = build_network("resnet18_small", 3, 28)
    pictures = np.stack([np.roll(photograph(28, 28), 7 * n, 1) for n in range(4)])  # type: ignore[operator]
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
    )
    for _ in range(2):
        loss = model.train_on_batch(pictures / 127.5 - 1, np.array([0, 1, 2, 0]))
    assert np.isfinite(loss)
    card = ModelCard(
        "m", "resnet18", ("a", "b", "c"), 28, "squash", NETWORKS["resnet18"].normalization
    )
    file = tmp_path / "m.onnx"
    file.write_bytes(with_card(compose(core_model(model), card), card).SerializeToString())
    pack = Pack(pictures, np.zeros(4, np.int64), ("x",) * 4, (), "")
    parity = measure_parity(file, model, card, pack, "photographs")
    assert (parity.top1_mismatches, parity.max_abs_diff <= 1e-4) == (0, True)


def test_resnet20_is_the_papers() -> None:
    """0.27 million parameters, and feature maps of 32, 16 and 8 pixels: He et al. 2016, table 6."""
    model = build_network("resnet20", 10, 32)
    assert summarize(model).total_params == 269_722
    found = shapes(model)
    last = [found[f"conv{stage}_block3_out"] for stage in (2, 3, 4)]
    assert last == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]


def test_its_shortcut_takes_every_second_pixel_and_zeros() -> None:
    model = build_network("resnet20", 10, 32)
    names = ("conv2_block3_out", "conv3_block1_0_zeros")
    parts = keras.Model(model.input, [model.get_layer(name).output for name in names])
    pixels = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    before, after = (np.asarray(part) for part in parts(pixels))
    np.testing.assert_array_equal(after[..., 8:24], before[:, ::2, ::2])
    assert not after[..., :8].any()
    assert not after[..., 24:].any()


def test_resnet9_is_pages() -> None:
    """6,573,130 parameters, maps of 16, 8 and 4 pixels: Page 2018, "How to train your ResNet"."""
    model = build_network("resnet9", 10, 32)
    assert summarize(model).total_params == 6_573_130
    found = shapes(model)
    last = [found[name] for name in ("layer1_add", "layer2_pool", "layer3_add")]
    assert last == [(16, 16, 128), (8, 8, 256), (4, 4, 512)]
    assert [block.name for block in blocks(model)] == [
        "conv1",
        "layer1",
        "layer2",
        "layer3",
        "head",
    ]


def test_the_slim_one_has_half_the_filters_everywhere() -> None:
    full, slim = (shapes(build_network(name, 10, 28)) for name in ("resnet9", "resnet9_slim"))
    halves = {
        name: (*shape[:-1], shape[-1] // 2)
        for name, shape in full.items()
        if name not in ("pixels", "head")
    }
    assert {name: slim[name] for name in halves} == halves


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121", "inception_v3", "lenet5"])
def test_below_its_minimum_a_network_says_so(name: str) -> None:
    least = NETWORKS[name].minimum_size
    with pytest.raises(ConfigError, match=f"image size {least - 1} is too small.*at least {least}"):
        build_network(name, 10, least - 1)


def test_keras_cv_pads_otherwise_so_the_same_weights_answer_otherwise() -> None:
    hub, cv = (build_network(name, 2, 32) for name in ("resnet18", "resnet18_kerascv"))
    values = {w.path: w for w in hub.weights}
    for weight in cv.weights:
        weight.assign(values[weight.path])
    x = np.random.default_rng(0).standard_normal((4, 32, 32, 3)).astype(np.float32)
    assert np.abs(np.asarray(hub(x)) - np.asarray(cv(x))).max() > 0.1
    paddings = [la for la in cv.layers if isinstance(la, keras.layers.ZeroPadding2D)]
    assert not paddings
    strided = cv.get_layer("conv3_block1_1_conv")
    assert (strided.padding, strided.strides) == ("same", (2, 2))


def test_without_keras_cv_the_extra_is_named_and_no_run_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kerascnn\[keras-cv\]'"):
        training.fit(
            TrainConfig(model="resnet18_kerascv", image_size=32, out=str(tmp_path / "run"))
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["cnn", "resnet18", "resnet18_kerascv", "resnet20", "mobilenet"])
def test_statistics_settle_within_a_short_run(name: str) -> None:
    layers = build_network(name, 2, 32).layers
    momenta = {la.momentum for la in layers if isinstance(la, keras.layers.BatchNormalization)}
    assert momenta == {0.9}
