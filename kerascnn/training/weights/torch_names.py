"""PyTorch's names and layouts of the tensors of torchvision's and timm's networks.

Knows: names, and five differences of layout: convolutions are OIHW there and HWIO here, depthwise
ones too, dense layers are transposed, a feature map is flattened CHW there and HWC here, and
BatchNormalization's statistics have other names. Does not know: files, Keras.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kerascnn.training.networks.table import VGG_REPEATS

Array = npt.NDArray[np.generic]

_BATCHNORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_WEIGHT = {"weight": "kernel", "bias": "bias"}
"""Keras' names by PyTorch's, of normalizations and of all other layers."""


def _resnet(name: str) -> str | None:
    if dense := re.fullmatch(r"fc\.(weight|bias)", name):
        return f"head/{_WEIGHT[dense[1]]}"
    if stem := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return _layer(f"conv1_{stem[1]}", stem[1], stem[2])
    if inner := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(\w+)", name):
        stage, block, kind, number, what = inner.groups()
        return _layer(f"conv{int(stage) + 1}_block{int(block) + 1}_{number}_{kind}", kind, what)
    if short := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\.(\w+)", name):
        stage, block, index, what = short.groups()
        kind = ("conv", "bn")[int(index)]
        return _layer(f"conv{int(stage) + 1}_block{int(block) + 1}_0_{kind}", kind, what)
    return None


def _densenet(name: str) -> str | None:
    if dense := re.fullmatch(r"classifier\.(weight|bias)", name):
        return f"head/{_WEIGHT[dense[1]]}"
    if stem := re.fullmatch(r"features\.(conv|norm)0\.(\w+)", name):
        return _layer(f"conv1_{'conv' if stem[1] == 'conv' else 'bn'}", stem[1], stem[2])
    if last := re.fullmatch(r"features\.norm5\.(\w+)", name):
        return _layer("post_bn", "norm", last[1])
    if between := re.fullmatch(r"features\.transition(\d)\.(conv|norm)\.(\w+)", name):
        kind = "conv" if between[2] == "conv" else "bn"
        return _layer(f"transition{int(between[1]) + 1}_{kind}", kind, between[3])
    inner = re.fullmatch(r"features\.denseblock(\d)\.denselayer(\d+)\.(conv|norm)(\d)\.(\w+)", name)
    if inner is None:
        return None
    stage, block, kind, number, what = inner.groups()
    part = f"{number}_conv" if kind == "conv" else f"{int(number) - 1}_bn"
    return _layer(f"conv{int(stage) + 1}_block{block}_{part}", kind, what)


_CONVNEXT = {
    "block.0": "depthwise_conv", "conv_dw": "depthwise_conv", "dwconv": "depthwise_conv",
    "block.2": "layernorm", "norm": "layernorm",
    "block.3": "pointwise_conv_1", "mlp.fc1": "pointwise_conv_1", "pwconv1": "pointwise_conv_1",
    "block.5": "pointwise_conv_2", "mlp.fc2": "pointwise_conv_2", "pwconv2": "pointwise_conv_2",
}  # fmt: skip
"""Parts of a block by their names in torchvision, timm and the authors' own code."""


def _convnext(size: str) -> Callable[[str], str | None]:
    ends = {"features.0": "stem", "stem": "stem", "downsample_layers.0": "stem"}
    heads = {
        "classifier.0": "post_layernorm", "head.norm": "post_layernorm", "norm": "post_layernorm",
        "classifier.2": "head", "head.fc": "head", "head": "head",
    }  # fmt: skip

    def names(name: str) -> str | None:
        layer, _, what = name.rpartition(".")
        group, _, index = layer.rpartition(".")
        if what in ("gamma", "layer_scale"):
            block = _convnext_block(layer)
            return f"{block}_layer_scale/variable" if block else None
        between = re.fullmatch(r"(?:features|downsample_layers|stages)\.(\d)(\.downsample)?", group)
        if layer in heads:
            kind = "norm" if heads[layer] == "post_layernorm" else "dense"
            return _layer(heads[layer], kind, what)
        if group in ends and index in ("0", "1"):
            kind = ("conv", "layernorm")[int(index)]
            return _layer(f"convnext_{size}_stem_{kind}", kind, what)
        if between and index in ("0", "1") and (between[2] or not group.startswith("stages")):
            number = int(between[1]) // (2 if group.startswith("features") else 1) - 1
            kind = ("layernorm", "conv")[int(index)]
            return _layer(f"convnext_{size}_downsampling_{kind}_{number}", kind, what)
        for theirs, ours in _CONVNEXT.items():
            block = _convnext_block(layer.removesuffix(f".{theirs}"))
            if layer.endswith(f".{theirs}") and block:
                return _layer(f"{block}_{ours}", ours, what)
        return None

    return names


def _convnext_block(name: str) -> str | None:
    found = re.fullmatch(r"(features|stages)\.(\d)\.(?:blocks\.)?(\d+)", name)
    if found is None:
        return None
    stage = int(found[2]) // 2 if found[1] == "features" else int(found[2])
    return f"stage{stage}_block{found[3]}"


_PARTS = ("expand", "expand_bn", "dw", "dw_bn", "project", "project_bn")
_TIMM = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
_TIMM_FIRST = ("", "", "conv_dw", "bn1", "conv_pw", "bn2")
"""Parts of a block; their names in timm, with and without expansion."""


def _outer(layer: str, what: str, stem: str, last: int) -> str | None:
    """Rename a layer before or after the blocks, by its name in torchvision or timm."""
    ours = {
        "features.0.0": f"{stem}_conv", "conv_stem": f"{stem}_conv",
        "features.0.1": f"{stem}_bn", "bn1": f"{stem}_bn",
        f"features.{last}.0": "top_conv", "conv_head": "top_conv",
        f"features.{last}.1": "top_bn", "bn2": "top_bn",
        "classifier": "head", "classifier.1": "head",
    }.get(layer)  # fmt: skip
    return _layer(ours, ours[-2:], what) if ours else None


def _efficientnet(name: str) -> str | None:
    layer, _, what = name.rpartition(".")
    if outer := _outer(layer, what, "stem", 8):
        return outer
    found = re.fullmatch(r"(features|blocks)\.(\d)\.(\d+)\.(?:block\.)?(.+)", layer)
    if found is None:
        return None
    stage = int(found[2]) + (found[1] == "blocks")
    ours = dict(zip(_PARTS, ("expand_conv", "expand_bn", "dwconv", "bn", "project_conv",
                             "project_bn"), strict=True))  # fmt: skip
    first = stage == 1
    shift = 0 if first else 1
    theirs = {
        **dict(zip(_TIMM_FIRST if first else _TIMM, _PARTS, strict=True)),
        "se.conv_reduce": "se_reduce", "se.conv_expand": "se_expand",
        f"{shift + 1}.fc1": "se_reduce", f"{shift + 1}.fc2": "se_expand",
        f"{shift}.0": "dw", f"{shift}.1": "dw_bn",
        f"{shift + 2}.0": "project", f"{shift + 2}.1": "project_bn",
        **({} if first else {"0.0": "expand", "0.1": "expand_bn"}),
    }  # fmt: skip
    part = theirs.get(found[4])
    if part is None:
        return None
    suffix = ours.get(part, part)
    return _layer(f"block{stage}{chr(97 + int(found[3]))}_{suffix}", suffix[-2:], what)


_MOBILENET_V2_STAGES = (1, 2, 3, 4, 3, 3, 1)
"""Number of blocks in each stage, as in Sandler et al. (2018), table 2: timm numbers blocks within
a stage, torchvision throughout."""


def _mobilenet_v2(name: str) -> str | None:
    layer, _, what = name.rpartition(".")
    if outer := _outer(layer, what, "conv1", 18):
        return outer
    torchvision = re.fullmatch(r"features\.(\d+)\.conv\.(.+)", layer)
    timm = re.fullmatch(r"blocks\.(\d)\.(\d+)\.(.+)", layer)
    if torchvision:
        block, part = int(torchvision[1]) - 1, torchvision[2]
        theirs = (
            ("0.0", "0.1", "1.0", "1.1", "2", "3") if block else ("", "", "0.0", "0.1", "1", "2")
        )
    elif timm:
        block = sum(_MOBILENET_V2_STAGES[: int(timm[1])]) + int(timm[2])
        theirs, part = (_TIMM if block else _TIMM_FIRST), timm[3]
    else:
        return None
    ours = dict(zip(theirs, ("expand", "expand_BN", "depthwise", "depthwise_BN", "project",
                             "project_BN"), strict=True)).get(part)  # fmt: skip
    return _layer(f"block{block}_{ours}", ours[-2:].lower(), what) if ours else None


def _layer(layer: str, kind: str, what: str) -> str | None:
    ours = (_BATCHNORM if kind in ("bn", "norm", "layernorm") else _WEIGHT).get(what)
    return f"{layer}/{ours}" if ours else None


def _sequence(convolutions: dict[str, str], dense: dict[str, str]) -> Callable[[str], str | None]:
    def names(name: str) -> str | None:
        layer, _, what = name.rpartition(".")
        ours = {**convolutions, **dense}.get(layer)
        return f"{ours}/{_WEIGHT[what]}" if ours and what in _WEIGHT else None

    return names


def _vgg(repeats: tuple[int, ...]) -> Callable[[str], str | None]:
    convolutions, index = {}, 0
    for block, count in enumerate(repeats, 1):
        for number in range(1, count + 1):
            convolutions[f"features.{index}"] = f"block{block}_conv{number}"
            index += 2  # a convolution and its ReLU
        index += 1  # the pooling
    torchvision = {"classifier.0": "fc1", "classifier.3": "fc2", "classifier.6": "head"}
    timm = {"pre_logits.fc1": "fc1", "pre_logits.fc2": "fc2", "head.fc": "head"}
    return _sequence(convolutions, {**torchvision, **timm})


_ALEXNET = _sequence(
    {f"features.{index}": f"block{n}_conv" for n, index in enumerate((0, 3, 6, 8, 10), 1)},
    {"classifier.1": "fc1", "classifier.4": "fc2", "classifier.6": "head"},
)
"""Layers of torchvision's AlexNet by their indices; timm has none."""

LAYOUTS: dict[str, Callable[[str], str | None]] = {
    "resnet": _resnet,
    "alexnet": _ALEXNET,
    "densenet": _densenet,
    "efficientnet": _efficientnet,
    "mobilenet_v2": _mobilenet_v2,
    **{
        f"convnext_{size}": _convnext(size) for size in ("tiny", "small", "base", "large", "xlarge")
    },
    **{name: _vgg(repeats) for name, repeats in VGG_REPEATS.items()},
}
"""Function of each layout that turns PyTorch's names into ``LAYER/WEIGHT``."""

IGNORED = re.compile(r".*\.num_batches_tracked")
"""PyTorch's counter of batches, which Keras lacks and which changes no prediction."""


EPSILON = 1e-5
"""Epsilon of PyTorch's BatchNormalization."""


def without_batchnorm(tensors: dict[str, Array], layout: str) -> dict[str, Array]:
    """Fold the BatchNormalization of VGG's ``_bn`` into its convolutions, with the same result."""
    if layout not in VGG_REPEATS or "features.1.running_var" not in tensors:
        return tensors
    there = sorted(
        {int(n.split(".")[1]) for n in tensors if re.fullmatch(r"features\.\d+\.weight", n)}
    )
    plain = [i for i in range(99) if LAYOUTS[layout](f"features.{i}.weight")]
    found = {name: tensor for name, tensor in tensors.items() if not name.startswith("features.")}
    for conv, norm, index in zip(there[::2], there[1::2], plain, strict=False):
        weight, bias = (
            tensors[f"features.{conv}.{what}"].astype(np.float64) for what in ("weight", "bias")
        )
        gamma, beta, mean, variance = (
            tensors[f"features.{norm}.{what}"].astype(np.float64) for what in _BATCHNORM
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        found[f"features.{index}.weight"] = weight * scale[:, None, None, None]
        found[f"features.{index}.bias"] = (bias - mean) * scale + beta
    return found


def to_keras(name: str, tensor: Array, shape: tuple[int, ...], flattened: int | None) -> Array:
    """Convert a tensor to Keras' layout; its shape may still be wrong.

    Args:
        name: Our name, ``LAYER/WEIGHT``.
        shape: Shape of the target weight.
        flattened: Channels of the feature map that is flattened before this dense layer; None:
            there is none.
    """
    if not name.endswith("/kernel"):
        return tensor.reshape(-1) if tensor.ndim > 1 else tensor  # torchvision's LayerScale
    if tensor.ndim == 4 and len(shape) == 4:
        ours = tensor.transpose(2, 3, 1, 0)
        # A depthwise convolution has its channels on the third axis or, as groups, on the last.
        depthwise = ours.shape[2] == shape[3] == 1 and ours.size == np.prod(shape)
        return ours.reshape(shape) if depthwise else ours
    if tensor.ndim == 4:  # timm's VGG has convolutions in place of dense layers
        return tensor.transpose(2, 3, 1, 0).reshape(-1, tensor.shape[0])
    if tensor.ndim == 2 and flattened and tensor.shape[1] % flattened == 0:
        pixels = tensor.shape[1] // flattened
        return tensor.reshape(-1, flattened, pixels).transpose(2, 1, 0).reshape(-1, tensor.shape[0])
    return tensor.transpose() if tensor.ndim == 2 else tensor
