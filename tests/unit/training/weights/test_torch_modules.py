"""What people's programs put around a network of PyTorch is taken off: the network is found."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerascnn.errors import ModelFileError
from kerascnn.training.weights.torch_files import state_in
from kerascnn.training.weights.torch_modules import module_names
from kerascnn.training.weights.torch_names import LAYOUTS

GOLDEN = json.loads((Path(__file__).parents[3] / "golden/torch_logits.json").read_text())

ORDERS = {
    "resnet18": ("resnet", "conv1 bn1 relu maxpool layer1 layer2 layer3 layer4 avgpool fc"),
    "vgg11_bn": ("vgg11", "features avgpool classifier"),
    "densenet121": ("densenet", "features classifier"),
    "mobilenet_v2": ("mobilenet_v2", "features classifier"),
    "efficientnet_b0": ("efficientnet", "features avgpool classifier"),
    "convnext_tiny": ("convnext_tiny", "features avgpool classifier"),
    "timm mobilenetv2_100": (
        "mobilenet_v2", "conv_stem bn1 blocks conv_head bn2 global_pool classifier",
    ),
    "timm convnext_tiny": ("convnext_tiny", "stem stages norm_pre head"),
}  # fmt: skip
"""Layout of each network, and the order of its children, as torch 2.15, torchvision and timm 1.0
print them."""


def state_of(name: str) -> dict[str, Any]:
    shapes = GOLDEN[name]["tensors"]
    return {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}


def numbered(name: str, order: str) -> dict[str, Any]:
    """Name tensors as ``nn.Sequential(*network.children())`` does."""
    parts = order.split()
    state = state_of(name)
    return {
        ".".join([str(parts.index(key.split(".")[0])), *key.split(".")[1:]]): tensor
        for key, tensor in state.items()
    }


def prefixed(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    return {prefix + key: tensor for key, tensor in tensors.items()}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("prefix", ["", "module._orig_mod.model.backbone.", "0."])
def test_parts_that_are_numbered_are_found(name: str, prefix: str) -> None:
    layout, order = ORDERS[name]
    found = module_names(prefixed(prefix, numbered(name, order)), layout, "own.pth")
    assert found.keys() == state_of(name).keys()


@pytest.mark.parametrize(
    "name", [name for name, (_, order) in ORDERS.items() if "features" in order]
)
def test_features_alone_are_found(name: str) -> None:
    layout = ORDERS[name][0]
    features = {k: v for k, v in state_of(name).items() if k.startswith("features.")}
    alone = {"backbone." + key.removeprefix("features."): v for key, v in features.items()}
    found = module_names(alone | {"fc.weight": np.ones((3, 9))}, layout, "own.pth")
    assert found.keys() == features.keys()
    assert any(LAYOUTS[layout](key) for key in found)


OF_TRANSFORMERS = {
    "resnet18": [
        (r"^conv1", "resnet.embedder.embedder.convolution"),
        (r"^bn1", "resnet.embedder.embedder.normalization"),
        (r"downsample\.0", "shortcut.convolution"), (r"downsample\.1", "shortcut.normalization"),
        (r"conv1", "layer.0.convolution"), (r"conv2", "layer.1.convolution"),
        (r"bn1", "layer.0.normalization"), (r"bn2", "layer.1.normalization"),
        (r"^layer1\.", "resnet.encoder.stages.0.layers."),
        (r"^layer2\.", "resnet.encoder.stages.1.layers."),
        (r"^layer3\.", "resnet.encoder.stages.2.layers."),
        (r"^layer4\.", "resnet.encoder.stages.3.layers."), ("^fc", "classifier.1"),
    ],
    "timm convnext_tiny": [
        (r"^stem\.0", "convnext.embeddings.patch_embeddings"),
        (r"^stem\.1", "convnext.embeddings.layernorm"), (r"^head\.norm", "convnext.layernorm"),
        (r"^head\.fc", "classifier"), ("downsample", "downsampling_layer"), ("blocks", "layers"),
        ("gamma", "layer_scale_parameter"), ("conv_dw", "dwconv"),
        (r"(\d)\.norm", r"\1.layernorm"), (r"mlp\.fc", "pwconv"),
        (r"^stages", "convnext.encoder.stages"),
    ],
}  # fmt: skip
"""From the names of torchvision and timm to those that transformers 5.24 writes."""


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("name", OF_TRANSFORMERS)
def test_names_of_transformers_are_known(name: str, prefix: str) -> None:
    state, theirs = state_of(name), {}
    for key, tensor in state.items():
        for ours, other in OF_TRANSFORMERS[name]:
            key = re.sub(ours, other, key)
        theirs[prefix + key] = tensor
    assert not theirs.keys() & state.keys()
    assert module_names(theirs, ORDERS[name][0], "model.safetensors").keys() == state.keys()


def test_a_mean_beside_a_network_is_left_out_and_a_convolution_is_not() -> None:
    tensors = prefixed("net.", state_of("resnet18"))
    beside = {
        "mean": np.ones((1, 3, 1, 1)),
        "confusion": np.ones((9, 9)),
        "up": np.ones((2, 2, 3, 3)),
    }
    found = module_names(tensors | beside, "resnet", "own.pth")
    assert found.keys() - state_of("resnet18").keys() == {"up"}


def test_a_head_beside_the_backbone_is_kept_where_the_network_has_none() -> None:
    """As mmpretrain names them, or a module with ``self.backbone`` and ``self.head``."""
    state = state_of("resnet18")
    head = {"head.fc.weight": np.ones((5, 512)), "head.fc.bias": np.ones(5)}
    loss = {"loss.centers": np.ones((5, 512))}
    alone = {key: one for key, one in state.items() if not key.startswith("fc.")}
    found = module_names(prefixed("backbone.", alone) | head | loss, "resnet", "own.pth")
    assert found.keys() == alone.keys() | head.keys()
    whole = module_names(prefixed("backbone.", state) | head | loss, "resnet", "own.pth")
    assert whole.keys() == state.keys()


def test_two_networks_are_refused_by_their_names() -> None:
    both = prefixed("student.", state_of("resnet18")) | prefixed("teacher.", state_of("resnet18"))
    with pytest.raises(ModelFileError, match=r"holds the network 2 times \(student\., teacher\.\)"):
        module_names(both, "resnet", "both.pth")


class Tensor:
    """What torch's tensors are known by here."""

    def untyped_storage(self) -> None:
        """Stand for the memory of one."""


STATE, OTHER = {"conv1.weight": Tensor(), "counter": None, "bn1.bias": Tensor()}, {"w": Tensor()}


@pytest.mark.parametrize(
    "saved",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "optimizer": {"state": {0: OTHER}, "param_groups": []}},
        {"model_state_dict": STATE, "loss": 0.3},
        {"net": STATE, "acc": 93.0},
        {"whatever": STATE, "epoch": 1},
        {"model": STATE, "opt": {"hypers": [], "state": []}},
        {"state_dict": OTHER, "state_dict_ema": STATE, "metric": 0.5},
        {"model": OTHER, "model_ema": STATE, "optimizer": {}},
        {"best": Tensor(), "state_dict": STATE, "epoch": 1},
        {"model": {"state_dict": STATE}, "optimizer": {"state": {0: OTHER}}},
        {"checkpoint": {"model": {"net": STATE}}, "epoch": 1},
    ],
)
def test_the_state_is_found_in_what_training_programs_save(saved: dict[str, Any]) -> None:
    assert state_in(saved, "x.pth").keys() == {"conv1.weight", "bn1.bias"}


@pytest.mark.parametrize(
    ("saved", "told"),
    [
        ({"generator": STATE, "discriminator": OTHER}, "holds generator, discriminator; expected"),
        ({"epoch": 3}, "holds no tensors; expected the weights of one network"),
        ([STATE], "holds no tensors"),
        (Tensor(), "holds no tensors"),
    ],
)
def test_what_holds_no_state_or_several_is_told(saved: Any, told: str) -> None:
    with pytest.raises(ModelFileError, match=told):
        state_in(saved, "x.pth")
