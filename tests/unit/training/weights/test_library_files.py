"""Files that a library's own model wrote: our build of it takes them, and answers the same."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from kerascnn.errors import ModelFileError
from kerascnn.training.networks import NETWORKS
from kerascnn.training.weights.start import start_network

# Each family names its layers in its own way; these are the ways that need most of our help:
# other names, a convolution as head, names by a counter, weights without a name.
LIBRARY = ["mobilenet", "mobilenet_v3_small", "efficientnet_b0", "inception_v3", "convnext_tiny"]
DEFAULT = ("mobilenet", "mobilenet_v3_small", "efficientnet_b0")


def library_model(name: str, size: int, top: bool) -> keras.Model:
    constructor = getattr(keras.applications, NETWORKS[name].recipe["application"])
    head = {"classes": 5, "classifier_activation": None} if top else {"pooling": "avg"}
    model = constructor(weights=None, input_shape=(size, size, 3), include_top=top, **head)
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.02 * rng.random(w.shape) for w in model.get_weights()])
    return model


def save(model: keras.Model, path: Path) -> str:
    """As keras.applications' downloads are: weights only, by the names of layers."""
    if path.suffix == ".keras":
        model.save(path)
    else:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [n if n in DEFAULT else pytest.param(n, marks=pytest.mark.full) for n in LIBRARY],
)
def test_our_build_takes_the_librarys_file(name: str, tmp_path: Path) -> None:
    size = max(NETWORKS[name].minimum_size, 64)
    library = library_model(name, size, top=True)
    start = start_network(name, 5, size, save(library, tmp_path / "whole.h5"))
    assert not start.fresh_head
    assert start.normalization == NETWORKS[name].imagenet
    if NETWORKS[name].family != "efficientnet":  # ours has the layer of the ImageNet weights
        x = np.random.default_rng(1).standard_normal((2, size, size, 3)).astype(np.float32)
        theirs, ours = (np.asarray(model(x, training=False)) for model in (library, start.core))
        np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-4, atol=1e-4)


def test_a_librarys_backbone_is_enough(tmp_path: Path) -> None:
    backbone = library_model("mobilenet_v2", 64, top=False)
    start = start_network("mobilenet_v2", 4, 64, save(backbone, tmp_path / "m.keras"))
    assert start.fresh_head
    last = start.core.get_layer("top_conv").kernel
    np.testing.assert_array_equal(np.asarray(last), np.asarray(backbone.get_layer("Conv_1").kernel))


def test_names_of_keras_1_are_known(tmp_path: Path) -> None:
    """As in the downloads of VGG, ``vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5``."""
    backbone = library_model("vgg16", 32, top=False)
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in backbone.layers]
        for layer in backbone.layers:
            names = [f"{layer.name}_{kind}_1:0" for kind in ("W", "b")][: len(layer.weights)]
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, values in zip(names, layer.get_weights(), strict=True):
                group[name] = values
    core = start_network("vgg16", 4, 32, str(tmp_path / "vgg.h5")).core
    for layer in ("block1_conv1", "block5_conv3"):
        for ours, theirs in zip(core.get_layer(layer).get_weights(),
                                backbone.get_layer(layer).get_weights(), strict=True):  # fmt: skip
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("library", ["keras_hub", "keras_cv"])
def test_a_backbone_of_keras_hub_or_keras_cv_is_enough(library: str, tmp_path: Path) -> None:
    if library == "keras_hub":
        import keras_hub

        backbone = keras_hub.models.ResNetBackbone(
            [64], [7], [64, 128, 256, 512], [2, 2, 2, 2], [1, 2, 2, 2], "basic_block",
            image_shape=(32, 32, 3),
        )  # fmt: skip
        name, layer = "resnet18", "stack3_block1_2_conv"
    else:
        import keras_cv

        backbone = keras_cv.models.ResNetBackbone(
            stackwise_filters=[64, 128, 256, 512], stackwise_blocks=[2, 2, 2, 2],
            stackwise_strides=[1, 2, 2, 2], block_type="basic_block", include_rescaling=False,
            input_shape=(32, 32, 3),
        )  # fmt: skip
        name, layer = "resnet18_kerascv", "v2_stack_3_block2_2_conv"
    start = start_network(name, 2, 32, save(backbone, tmp_path / "m.keras"))
    assert start.fresh_head
    last = start.core.get_layer("conv5_block2_2_conv").kernel
    np.testing.assert_array_equal(np.asarray(last), np.asarray(backbone.get_layer(layer).kernel))
    x = np.random.default_rng(1).standard_normal((2, 32, 32, 3)).astype(np.float32)
    features = keras.Model(start.core.inputs[0], start.core.layers[-1].input)
    theirs = np.asarray(backbone(x, training=False)).mean((1, 2))
    np.testing.assert_allclose(np.asarray(features(x, training=False)), theirs, atol=1e-5)


def test_of_a_whole_model_of_keras_hub_its_backbone_is_asked_for(tmp_path: Path) -> None:
    import keras_hub

    backbone = keras_hub.models.ResNetBackbone(
        [64], [3], [64, 64], [1, 1], [1, 2], "basic_block", image_shape=(32, 32, 3)
    )
    task = keras_hub.models.ResNetImageClassifier(backbone=backbone, num_classes=3)
    task.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"a whole ResNetImageClassifier of keras-hub"):
        start_network("resnet18", 3, 32, str(tmp_path / "m.keras"))
    task.save_to_preset(tmp_path / "preset")
    with pytest.raises(ModelFileError, match=r"head alone.* Give the backbone: .*model\.weights"):
        start_network("resnet18", 3, 32, str(tmp_path / "preset/task.weights.h5"))
