"""The layer names in the files of the libraries that networks come from.

Knows: every layer remembers its library's name; Keras numbers automatic names by a process-wide
counter; the names of heads. Does not know: files, networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import keras

from kerascnn.training.networks.blocks import flat, head_of
from kerascnn.training.networks.rebuild import AUTOMATIC, origin_of
from kerascnn.training.weights.files import key
from kerascnn.training.weights.torch_files import Tensors

HEADS = re.compile(r"predictions|logits|conv_preds|convnext_[a-z]+_head_dense")
"""Libraries' names of the layer that is ``head`` here; some have a 1x1 convolution there."""


_WEIGHTS = {"depthwise_kernel": "kernel", "gamma": "variable"}
"""Keras 2's names of the weight of a depthwise convolution, and of LayerScale's, which is unnamed
now."""


def from_library(model: keras.Model, tensors: Tensors) -> Tensors:
    """Rename the tensors of a library's own model as in our build; unknown names are kept."""
    ours = {layer.name: layer.name for layer in flat(model)}
    origins = _counted(map(origin_of, flat(model)))
    known = {theirs: our for our, theirs in zip(ours, origins, strict=True) if theirs} | ours
    wanted = {key(layer.name, weight.name) for layer in flat(model) for weight in layer.weights}
    paths = list(dict.fromkeys(name.rpartition("/")[0] for name in tensors))
    last = [path.rpartition("/")[2] for path in paths]
    counted = dict(zip(paths, _counted(last), strict=True))
    found: Tensors = {}
    for name, tensor in tensors.items():
        path, _, weight = name.rpartition("/")
        layer = next((known[one] for one in _spellings(path, counted[path]) if one in known), "")
        if not layer and any(map(HEADS.fullmatch, _spellings(path))):
            layer = head_of(model).name
            tensor = tensor[0, 0] if tensor.ndim == 4 and tensor.shape[:2] == (1, 1) else tensor
        if f"{layer}/{weight}" not in wanted and f"{layer}/{_WEIGHTS.get(weight)}" in wanted:
            weight = _WEIGHTS[weight]
        ours_of_it = f"{layer}/{weight}"
        found[ours_of_it if layer and ours_of_it not in found else name] = tensor
    return found


def _spellings(path: str, counted: str = "") -> Iterator[str]:
    """Yield possible names of a layer in Keras 3, which has no ``/`` in names (here: ``.``).

    Examples:
        >>> list(_spellings("mine/Conv_1"))
        ['mine_Conv_1', 'mine_conv_1', 'Conv_1', 'conv_1', '', 'Conv']
    """
    parts = re.split(r"[/.]", path)
    for start in range(len(parts)):
        name = "_".join(parts[start:])
        yield name
        yield name.lower().replace("_batchnorm", "_bn")
    yield counted
    yield re.sub(r"_\d+$", "", parts[-1])  # numbered by TensorFlow 1, inside another model


def _counted(names: Iterable[str]) -> list[str]:
    """Renumber automatic names from 0: conv2d_94, conv2d_95 become conv2d:0, conv2d:1."""
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
