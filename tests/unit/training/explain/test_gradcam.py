"""Grad-CAM against the formula on a graph that is cut by hand, and in networks of every build."""

import json
import os
import subprocess

import keras
import numpy as np
import pytest

from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError
from kerascnn.images import size_picture
from kerascnn.training.explain.gradcam import Explainer, GradCam
from kerascnn.training.networks import build_network
from kerascnn.training.networks.from_pixels import from_pixels
from kerascnn.training.run.folder import open_run


def clothes(count: int) -> np.ndarray:
    pictures = load_dataset("fashion-mini").splits["test"].pictures
    return np.stack([size_picture(pictures[index], 32, "pad") for index in range(count)])


@pytest.mark.slow
def test_heat_is_that_of_the_formula(trained):
    import tensorflow as tf

    run = open_run(trained)
    core, pictures = run.load_model(), clothes(3)
    model = from_pixels(core, run.card.normalization)
    classes = np.array([9, 2, 1])
    found = GradCam(core, model).heat(pictures, classes)

    cut = keras.Model(core.inputs, [core.get_layer("block2_relu").output, core.outputs[0]])
    pixels = (pictures - np.float32(run.card.normalization.mean)) / np.float32(
        run.card.normalization.std
    )
    with tf.GradientTape() as tape:
        maps, logits = cut(tf.constant(pixels), training=False)
        score = tf.gather(logits, classes, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(score, maps), (1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, -1)).numpy()
    heat /= heat.max((1, 2), keepdims=True)
    assert found == pytest.approx(heat, abs=1e-4)
    assert found.shape == (3, 14, 14)


@pytest.mark.slow
def test_another_class_has_another_heat_and_the_network_is_left_as_it_was(trained):
    run = open_run(trained)
    core, pictures = run.load_model(), clothes(1)
    model = from_pixels(core, run.card.normalization)
    before = model.predict_on_batch(pictures)
    cam = GradCam(core, model)
    boot, shirt = (cam.heat(pictures, np.array([label]))[0] for label in (9, 6))
    assert np.abs(boot - shirt).max() > 0.2
    assert "call" not in vars(cam.layer)
    assert (model.predict_on_batch(pictures) == before).all()


@pytest.mark.slow
def test_a_run_is_explained_for_its_likeliest_classes(trained):
    run = open_run(trained)
    picture = load_dataset("fashion-mini").splits["test"].pictures[0]
    explanation = Explainer(run.load_model(), run.card).explain(picture, top=2)
    assert explanation.method == "Grad-CAM"
    assert explanation.reasons[0].label == "Ankle boot"
    first, second = (reason.probability for reason in explanation.reasons)
    assert 1 >= first > second > 0
    assert explanation.picture.shape == (32, 32, 3)
    with pytest.raises(ConfigError, match="top is 0"):
        Explainer(run.load_model(), run.card).explain(picture, top=0)


@pytest.mark.parametrize(
    ("network", "layer", "size"),
    [("resnet18", "conv5_block2", 2), ("vgg11", "block5", 4), ("densenet121", "relu", 2)],
)
@pytest.mark.slow
def test_the_last_feature_map_of_other_networks(network, layer, size):
    side = 64
    core = build_network(network, 3, side)
    cam = GradCam(core, core)
    assert layer in cam.layer.name
    assert cam.layer.output.shape[1:3] == (size, size)


def test_a_nested_network_is_not_taken_apart():
    inner = keras.Sequential(
        [keras.Input((12, 12, 3)), keras.layers.Conv2D(4, 3, activation="relu", name="deep")]
    )
    image = keras.Input((12, 12, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inner(image))
    core = keras.Model(image, keras.layers.Dense(2, name="head")(pooled))
    cam = GradCam(core, core)
    assert cam.layer.name == "deep"
    rng = np.random.default_rng(0)
    picture = rng.random((1, 12, 12, 3), np.float32)
    # Weights that speak for the class everywhere: with unlucky random ones there is no heat at all.
    inner.get_layer("deep").set_weights([rng.random((3, 3, 3, 4)), np.zeros(4)])
    core.get_layer("head").set_weights([rng.random((4, 2)), np.zeros(2)])
    head = core.get_layer("head").get_weights()[0][:, 1]
    # Behind mean pooling, the gradient is the head's own weight: CAM, which Grad-CAM generalizes.
    by_hand = np.maximum(inner(picture).numpy()[0] @ head, 0)
    assert cam.heat(picture, np.array([1]))[0] == pytest.approx(by_hand / by_hand.max(), abs=1e-4)


def test_a_network_without_convolutions_is_told():
    core = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(ConfigError, match="no convolution"):
        GradCam(core, core)


ON_JAX = """
import json, sys
import numpy as np
from kerascnn.training.explain.gradcam import Explainer
from kerascnn.training.run.folder import open_run
run = open_run(sys.argv[1])
found = Explainer(run.load_model(), run.card).explain(np.load(sys.argv[2]), 1)
import keras
print(json.dumps([keras.config.backend(), found.reasons[0].heat.tolist()]))
"""


@pytest.mark.slow
def test_jax_gives_the_same_heat(trained, preloaded):
    pytest.importorskip("jax", reason="needs JAX: pip install jax")
    picture = load_dataset("fashion-mini").splits["test"].pictures[0]
    np.save("picture.npy", picture)
    done = subprocess.run(
        [*preloaded("jax"), "-c", ON_JAX, str(trained), "picture.npy"],
        capture_output=True, text=True, check=True, env={**os.environ, "KERAS_BACKEND": "jax"},
    )  # fmt: skip
    backend, heat = json.loads(done.stdout.splitlines()[-1])
    assert backend == "jax"
    run = open_run(trained)
    ours = Explainer(run.load_model(), run.card).explain(picture, 1).reasons[0].heat
    assert ours == pytest.approx(np.array(heat), abs=1e-3)
