"""What is simplified in a graph: fewer nodes, the same answers."""

from collections import Counter

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from kerascnn.card import ModelCard, Normalization
from kerascnn.training.export import core, preprocessing
from kerascnn.training.networks import build_network

NETWORKS = [
    ("cnn", 32),
    ("lenet5_modern", 32),
    pytest.param("resnet18", 64, marks=pytest.mark.slow),
]


def run(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": pixels})[0]


def as_if_trained(name: str, size: int):
    """Scales and statistics that are not 1 and 0: a fold that forgot one would show."""
    network, rng = build_network(name, 10, size), np.random.default_rng(0)
    for weight in network.weights:
        kind = weight.path.split("/")[-1]
        if kind in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif kind in ("beta", "moving_mean", "bias"):
            weight.assign(rng.normal(0, 0.2, weight.shape))
    return network


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_rewrites_change_no_answer(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = as_if_trained(name, size)
    simple = core.core_model(network)
    monkeypatch.setattr(core, "simplify", lambda model: model)
    plain = core.core_model(network)
    pixels = np.random.default_rng(1).normal(size=(3, 3, size, size)).astype(np.float32)
    expected = run(plain, pixels)
    np.testing.assert_allclose(run(simple, pixels), expected, atol=1e-5 * np.abs(expected).max())
    kinds = Counter(node.op_type for node in simple.graph.node)
    assert not kinds & Counter(["Transpose", "Cast", "Pad", "Mul", "BatchNormalization", "Shape"])
    assert len(simple.graph.node) <= len(plain.graph.node)
    if name == "resnet18":
        assert kinds["GlobalAveragePool"] == 1
        assert not kinds["ReduceMean"]


def test_the_baseline_needs_twelve_nodes_and_not_twenty_three(monkeypatch) -> None:
    network = as_if_trained("cnn", 32)
    simple = core.core_model(network)
    monkeypatch.setattr(core, "simplify", lambda model: model)
    assert (len(simple.graph.node), len(core.core_model(network).graph.node)) == (12, 23)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Normalization(), ["Transpose", "Cast"]),
        (Normalization(mean=(1.0, 2.0, 3.0)), ["Cast", "Reshape", "Sub", "Reshape", "Transpose"]),
        (
            Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "BGR"),
            ["Cast", "Reshape", "Sub", "Div", "Reshape", "Transpose", "Gather"],
        ),
        (Normalization(std=(255.0, 255.0, 255.0)), ["Transpose", "Cast", "Div"]),
        (Normalization((1.0, 1.0, 1.0), (2.0, 2.0, 2.0)), ["Transpose", "Cast", "Sub", "Div"]),
    ],
)
def test_normalization_does_only_what_is_needed(rule: Normalization, expected: list[str]) -> None:
    card = ModelCard("any", "cnn", ("a", "b"), 8, "squash", normalization=rule)
    graph = preprocessing.preprocessing_model(card)
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds[kinds.index("If") + 1 :] == expected
    # Three numbers in the last place, where an int8 network has its channels, are slow.
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.graph.initializer}
    numbers = [shapes[node.input[1]] for node in graph.graph.node if node.op_type in ("Sub", "Div")]
    assert all(shape in ([], [3 * card.image_size]) for shape in numbers)
    picture = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(["pixels"], {"image": picture})[0].transpose(0, 2, 3, 1)
    ordered = picture[..., ::-1] if rule.channel_order == "BGR" else picture
    by_hand = (ordered.astype(np.float32) - np.float32(rule.mean)) / np.float32(rule.std)
    assert np.array_equal(found, by_hand)


@pytest.mark.parametrize(("size", "sides"), [(14, (1, 23)), (12, (35, 12))])
def test_the_nearest_pixel_is_the_one_that_keras_takes(size, sides) -> None:
    """At these sizes ONNX' Resize takes its neighbor."""
    pixels = keras.Input((size, size, 3))
    resized = keras.layers.Resizing(*sides, interpolation="nearest")(pixels)
    network = keras.Model(pixels, keras.layers.Flatten()(resized))
    noise = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    found = run(core.core_model(network), noise.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(found, network.predict(noise, verbose=0))
