"""The tensor names of ResNet and ConvNeXt in Hugging Face's transformers.

Knows: their names, and those of timm for the same tensors. Does not know: our names, files.
"""

from __future__ import annotations

import re

_BLOCK = r"encoder\.stages\.(\d)\.layers\.(\d+)\."
_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "resnet": (
        (r"embedder\.embedder\.convolution", "conv1"),
        (r"embedder\.embedder\.normalization", "bn1"),
        (_BLOCK + r"layer\.(\d)\.convolution", "layer{0}.{1}.conv{2}"),
        (_BLOCK + r"layer\.(\d)\.normalization", "layer{0}.{1}.bn{2}"),
        (_BLOCK + r"shortcut\.convolution", "layer{0}.{1}.downsample.0"),
        (_BLOCK + r"shortcut\.normalization", "layer{0}.{1}.downsample.1"),
        (r"classifier\.1", "fc"),
    ),
    "convnext": (
        (r"embeddings\.patch_embeddings", "stem.0"),
        (r"embeddings\.layernorm", "stem.1"),
        (r"encoder\.stages\.(\d)\.downsampling_layer\.(\d)", "stages.{0}.downsample.{1}"),
        (_BLOCK + "dwconv", "stages.{0}.blocks.{1}.conv_dw"),
        (_BLOCK + "layernorm", "stages.{0}.blocks.{1}.norm"),
        (_BLOCK + r"pwconv(\d)", "stages.{0}.blocks.{1}.mlp.fc{2}"),
        ("layernorm", "head.norm"),
        ("classifier", "head.fc"),
    ),
}
"""Names of layers in transformers and in timm, which numbers ResNet's parts from 1, by layout."""

TRANSFORMERS = tuple(_NAMES)
"""Families whose names in transformers are known."""

_SCALE = _BLOCK + "layer_scale_parameter"


def timm_name(layout: str, name: str) -> str:
    """Rename a tensor of transformers as in timm.

    Args:
        layout: ``resnet`` or ``convnext``.
        name: Name as in ``ResNetForImageClassification``, or in the model without its head.

    Examples:
        >>> timm_name("resnet", "resnet.encoder.stages.0.layers.1.layer.0.convolution.weight")
        'layer1.1.conv1.weight'
    """
    layer, _, what = name.removeprefix(f"{layout}.").rpartition(".")
    if scale := re.fullmatch(_SCALE, f"{layer}.{what}"):
        return "stages.{}.blocks.{}.gamma".format(*scale.groups())
    for pattern, theirs in _NAMES[layout]:
        if found := re.fullmatch(pattern, layer):
            stage, *others = found.groups() or ("",)
            if layout == "resnet" and stage:
                block, *part = others
                numbers = [int(stage) + 1, block, *(int(one) + 1 for one in part)]
            else:
                numbers = [stage, *others]
            return f"{theirs.format(*numbers)}.{what}"
    return name
