"""How the libraries that a network comes from name its layers in their own files.

Knows: that every layer remembers its library's name, that Keras numbers automatic names by a
counter of the whole process, and what heads are called. Does not know: files, networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import keras

from kerascnn.training.networks.blocks import flat, head_of
from kerascnn.training.networks.rebuild import AUTOMATIC, origin_of
from kerascnn.training.weights.files import key
from kerascnn.training.weights.torch_files import Tensors

HEADS = re.compile(r"predictions|logits|conv_preds|convnext_[a-z]+_head_dense")
"""What libraries call the layer that we call ``head``; some have a 1x1 convolution there."""


def from_library(model: keras.Model, tensors: Tensors) -> Tensors:
    """Return the tensors of a library's own model the names that our build of it has.

    Returns:
        The same with our names; a name that neither has stays.
    """
    ours = {layer.name for layer in flat(model)}
    renamed = {
        theirs: layer.name
        for layer, theirs in zip(flat(model), _counted(map(origin_of, flat(model))), strict=True)
        if theirs
    }
    wanted = {key(layer.name, weight.name) for layer in flat(model) for weight in layer.weights}
    layers = list(dict.fromkeys(name.rpartition("/")[0] for name in tensors))
    known = dict(zip(layers, _counted(layers), strict=True))
    found: Tensors = {}
    for name, tensor in tensors.items():
        layer, _, weight = name.rpartition("/")
        if HEADS.fullmatch(layer) and layer not in ours and layer not in renamed:
            layer = head_of(model).name
            tensor = tensor[0, 0] if tensor.ndim == 4 and tensor.shape[:2] == (1, 1) else tensor
        elif layer not in ours:
            layer = renamed.get(known[layer], layer)
        if weight == "depthwise_kernel" and f"{layer}/kernel" in wanted:
            weight = "kernel"  # as Keras 2 calls it
        found[f"{layer}/{weight}"] = tensor
    return found


def _counted(names: Iterable[str]) -> list[str]:
    """Number automatic names from nothing: conv2d_94, conv2d_95 are conv2d:0, conv2d:1."""
    names = list(names)
    numbers: dict[str, set[int]] = {}
    for name in names:
        kind, number = _automatic(name)
        if kind:
            numbers.setdefault(kind, set()).add(number)
    ranks = {kind: {n: rank for rank, n in enumerate(sorted(s))} for kind, s in numbers.items()}
    pairs = ((name, *_automatic(name)) for name in names)
    return [f"{kind}:{ranks[kind][number]}" if kind else name for name, kind, number in pairs]


def _automatic(name: str) -> tuple[str, int]:
    match = AUTOMATIC.fullmatch(name)
    if not match:
        return "", 0
    return match[1], int(re.sub(r"\D", "", match[2] or "0"))
