"""The rows of the table of networks.

Knows: names, sizes, preprocessing and where each network comes from. Does not know: how they are
built, their parameters, which ``scripts/make_network_facts`` counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kerascnn.card import Normalization
from kerascnn.training.networks.row import CAFFE, INSIDE, TORCH, UNIT, Network

_HUB, _APPS, _CV = "keras-hub", "keras.applications", "keras-cv"

FAMILIES = {
    "cnn": "CNN", "cnn4": "CNN", "lenet5": "LeNet-5", "lenet5_modern": "LeNet-5, modern",
    "alexnet": "AlexNet",
    "vgg_hub": "VGG", "vgg": "VGG", "resnet_cifar": "ResNet for CIFAR",
    "resnet9": "ResNet-9", "resnet_basic": "ResNet",
    "resnet_small": "ResNet", "resnet_kerascv": "ResNet", "resnet": "ResNet",
    "resnet_bottleneck": "ResNet v1.5", "resnext": "ResNeXt", "wide_resnet": "Wide ResNet",
    "resnet_v2": "ResNet v2", "efficientnet": "EfficientNet",
    "efficientnet_torch": "EfficientNet, PyTorch's", "mobilenet_v2_torch": "MobileNetV2, PyTorch's",
    "efficientnet_v2": "EfficientNetV2",
    "convnext": "ConvNeXt", "densenet": "DenseNet", "inception": "Inception v3",
    "inception_resnet": "Inception-ResNet v2", "xception": "Xception", "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2", "mobilenet_v3": "MobileNetV3", "nasnet": "NASNet",
}  # fmt: skip
"""Display names of the families; vgg and vgg_hub differ in the library they are built with."""

WITHOUT_BATCHNORM = 0.0003
"""Learning rate of deep networks without BatchNormalization: at 0.003, VGG11 keeps predicting one
class."""

VGG_REPEATS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""Convolutions of each block, as in Simonyan and Zisserman (2014), table 1: A, B, D and E."""


def rows() -> Iterator[Network]:
    """Yield the rows, in the order in which they are listed."""
    yield Network("cnn", "the baseline: 2 convolutions, 2 dense layers", "cnn.build_cnn",
                  32, 10, UNIT, family="cnn", learning_rate=0.008)  # fmt: skip
    yield Network("cnn4", "4 convolutions, global average pooling: for random initial weights",
                  "cnn.build_cnn4", 64, 16, UNIT, family="cnn4", learning_rate=0.008)  # fmt: skip
    yield Network("lenet5", "LeCun et al. 1998, tanh and average pooling", "lenet.build_lenet5",
                  32, 32, UNIT, family="lenet5")  # fmt: skip
    yield Network("lenet5_modern", "LeNet-5 with ReLU and max pooling", "lenet.build_lenet5",
                  32, 32, UNIT, family="lenet5_modern", recipe={"modern": True})  # fmt: skip
    yield Network("alexnet", "Krizhevsky et al. 2012, one tower as in torchvision",
                  "alexnet.build_alexnet", 224, 63, UNIT, family="alexnet",
                  learning_rate=WITHOUT_BATCHNORM, torch="alexnet")  # fmt: skip
    yield from _vggs()
    yield from _resnets()
    for letter, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600)):
        # Above B4, torchvision and timm differ in an epsilon.
        twin = f"efficientnet_b{letter}_torch" if letter < 5 else None
        yield _application(f"efficientnet_b{letter}", f"EfficientNetB{letter}",
                           "Tan and Le 2019", "efficientnet", size, INSIDE,
                           torch="efficientnet", torch_twin=twin)  # fmt: skip
    yield from _others()
    yield from _like_torch()


def _vggs() -> Iterator[Network]:
    summary = "Simonyan and Zisserman 2015"
    for depth in (11, 13):
        yield Network(f"vgg{depth}", summary, "vgg.build_hub_vgg", 224, 32, UNIT, family="vgg_hub",
                      recipe={"repeats": VGG_REPEATS[f"vgg{depth}"]},
                      learning_rate=WITHOUT_BATCHNORM, torch=f"vgg{depth}",
                      source=_HUB)  # fmt: skip
    for depth in (16, 19):
        yield Network(f"vgg{depth}", summary, "vgg.build_keras_vgg", 224, 32, UNIT, CAFFE,
                      family="vgg", recipe={"application": f"VGG{depth}"},
                      learning_rate=WITHOUT_BATCHNORM, torch=f"vgg{depth}",
                      source=_APPS)  # fmt: skip


def _resnets() -> Iterator[Network]:
    summary = "He et al. 2016"
    shapes = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3),
              152: (3, 8, 36, 3)}  # fmt: skip
    yield Network("resnet20", f"{summary}, section 4.2: for pictures of 32 pixels",
                  "resnet_cifar.build_cifar_resnet", 32, 8, UNIT, family="resnet_cifar",
                  recipe={"blocks": 3})  # fmt: skip
    pages = {"resnet9": ("Page 2018: for pictures of 32 pixels", 64),
             "resnet9_slim": ("Page 2018, half the filters: for pictures of 32 pixels", 32),
             }  # fmt: skip
    for name, (text, filters) in pages.items():
        yield Network(name, text, "resnet_cifar.build_resnet9", 32, 8, UNIT, family="resnet9",
                      recipe={"filters": filters}, learning_rate=0.01)  # fmt: skip
    for depth in (18, 34):
        recipe = {"blocks": shapes[depth], "block_type": "basic_block",
                  "preset": f"resnet_{depth}_imagenet"}  # fmt: skip
        # keras-hub has a preset of the smaller one only.
        yield Network(f"resnet{depth}", f"{summary}, as in torchvision", "resnet.build_hub_resnet",
                      224, 16, UNIT, TORCH if depth == 18 else None, family="resnet_basic",
                      recipe=recipe, torch="resnet", source=_HUB)  # fmt: skip
    small = {"blocks": shapes[18], "block_type": "basic_block", "small_stem": True}
    yield Network("resnet18_small", f"{summary}, 3x3 stem: for pictures of 32 pixels",
                  "resnet.build_hub_resnet", 32, 16, UNIT, family="resnet_small", recipe=small,
                  torch="resnet", source=_HUB)  # fmt: skip
    yield Network("resnet18_kerascv", f"{summary}, keras-cv's padding", "resnet.build_cv_resnet",
                  224, 16, UNIT, family="resnet_kerascv", recipe={"blocks": shapes[18]},
                  source=_CV)  # fmt: skip
    yield from _bottleneck_resnets(summary, shapes)


def _bottleneck_resnets(summary: str, shapes: Mapping[int, tuple[int, ...]]) -> Iterator[Network]:
    for depth in (50, 101, 152):
        yield _application(f"resnet{depth}", f"ResNet{depth}", f"{summary}, as in Keras", "resnet",
                           224, UNIT, CAFFE, minimum=16,
                           torch_twin=f"resnet{depth}_v1_5")  # fmt: skip
    for depth in (50, 101, 152):
        recipe = {"blocks": shapes[depth], "block_type": "bottleneck_block",
                  "preset": f"resnet_{depth}_imagenet"}  # fmt: skip
        yield Network(f"resnet{depth}_v1_5", f"{summary}, as in torchvision",
                      "resnet.build_hub_resnet", 224, 16, UNIT,
                      TORCH, family="resnet_bottleneck", recipe=recipe,
                      torch="resnet", source=_HUB)  # fmt: skip
    for depth in (50, 101, 152):
        yield _application(f"resnet{depth}v2", f"ResNet{depth}V2", "He et al. 2016, preactivation",
                           "resnet_v2", 224, UNIT, UNIT, minimum=16)  # fmt: skip


def _like_torch() -> Iterator[Network]:
    """Yield the networks whose padding or convolutions differ between PyTorch and Keras."""
    for letter, size in enumerate((224, 240, 260, 300, 380)):
        yield _torch_application(f"efficientnet_b{letter}", f"EfficientNetB{letter}",
                                 "Tan and Le 2019", "efficientnet", size, INSIDE)  # fmt: skip
    yield _torch_application("mobilenet_v2", "MobileNetV2", "Sandler et al. 2018", "mobilenet_v2",
                             224, UNIT)  # fmt: skip
    for name, summary, blocks, width, groups in (
        ("resnext50_32x4d", "Xie et al. 2017", (3, 4, 6, 3), 2, 32),
        ("resnext101_32x8d", "Xie et al. 2017", (3, 4, 23, 3), 4, 32),
        ("wide_resnet50_2", "Zagoruyko and Komodakis 2016", (3, 4, 6, 3), 2, 1),
        ("wide_resnet101_2", "Zagoruyko and Komodakis 2016", (3, 4, 23, 3), 2, 1),
    ):
        recipe = {"blocks": blocks, "block_type": "bottleneck_block", "width": width,
                  "groups": groups}  # fmt: skip
        family = "resnext" if groups > 1 else "wide_resnet"
        yield Network(name, f"{summary}, as in torchvision", "resnet.build_hub_resnet", 224, 16,
                      UNIT, family=family, recipe=recipe, torch="resnet", source=_HUB)  # fmt: skip


def _torch_application(
    name: str, application: str, summary: str, names: str, image_size: int, unit: Normalization
) -> Network:
    recipe = {"application": application, "names": names, "torch_epsilon": 1e-5}
    return Network(f"{name}_torch", f"{summary}, padding as in PyTorch",
                   "applications.build_application", image_size, 32, unit, recipe=recipe,
                   family=f"{names}_torch", torch=names, source=_APPS)  # fmt: skip


def _others() -> Iterator[Network]:
    for size, pixels in (("b0", 224), ("b1", 240), ("b2", 260), ("b3", 300), ("s", 384),
                         ("m", 480), ("l", 480)):  # fmt: skip
        yield _application(f"efficientnetv2_{size}", f"EfficientNetV2{size.upper()}",
                           "Tan and Le 2021", "efficientnet_v2", pixels, INSIDE)  # fmt: skip
    for size in ("tiny", "small", "base", "large", "xlarge"):
        title = "XLarge" if size == "xlarge" else size.title()
        yield _application(f"convnext_{size}", f"ConvNeXt{title}", "Liu et al. 2022", "convnext",
                           224, INSIDE, torch=f"convnext_{size}")  # fmt: skip
    for depth in (121, 169, 201):
        yield _application(f"densenet{depth}", f"DenseNet{depth}", "Huang et al. 2017", "densenet",
                           224, UNIT, TORCH, torch="densenet")  # fmt: skip
    yield _application("inception_v3", "InceptionV3", "Szegedy et al. 2016", "inception", 299,
                       UNIT, UNIT, minimum=75)  # fmt: skip
    yield _application("inception_resnet_v2", "InceptionResNetV2", "Szegedy et al. 2017",
                       "inception_resnet", 299, UNIT, UNIT, minimum=75)  # fmt: skip
    yield _application("xception", "Xception", "Chollet 2017", "xception", 299, UNIT, UNIT,
                       minimum=71)  # fmt: skip
    yield _application("mobilenet", "MobileNet", "Howard et al. 2017", "mobilenet", 224, UNIT,
                       UNIT)  # fmt: skip
    yield _application("mobilenet_v2", "MobileNetV2", "Sandler et al. 2018", "mobilenet_v2", 224,
                       UNIT, UNIT, torch_twin="mobilenet_v2_torch")  # fmt: skip
    for size in ("small", "large"):
        yield _application(f"mobilenet_v3_{size}", f"MobileNetV3{size.title()}",
                           "Howard et al. 2019", "mobilenet_v3", 224, INSIDE)  # fmt: skip
    for size, pixels in (("mobile", 224), ("large", 331)):
        yield _application(f"nasnet_{size}", f"NASNet{size.title()}", "Zoph et al. 2018", "nasnet",
                           pixels, UNIT, UNIT)  # fmt: skip


def _application(
    name: str,
    application: str,
    summary: str,
    family: str,
    image_size: int,
    normalization: Normalization,
    imagenet: Normalization | None = None,
    minimum: int = 32,
    **more: Any,
) -> Network:
    recipe: dict[str, Any] = {"application": application, "names": family}
    if minimum > 32:
        recipe["smallest"] = minimum
    return Network(
        name,
        summary,
        "applications.build_application",
        image_size,
        minimum,
        normalization,
        imagenet or normalization,
        recipe=recipe,
        family=family,
        source=_APPS,
        **more,
    )
