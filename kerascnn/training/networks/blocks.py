"""The blocks of a network, and which of them are trainable.

Knows: how a network is divided into blocks, and what a SCOPE means. Does not know: networks by
name, training, weights.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers

from kerascnn.errors import ConfigError
from kerascnn.training.networks.block_names import block_of, stage_of

BatchNorm = Literal["frozen", "train"]


@dataclass(frozen=True)
class Block:
    """A part of a network that is trained or frozen as a whole.

    Attributes:
        name: Name of the block, as in a SCOPE, e.g. ``conv5_block3``.
        stage: Stage of the block, e.g. ``conv5``; else its own name.
        layers: Names of its layers, in order.
        params: Number of parameters, frozen ones included.
        trainable_params: Number of parameters that are trained.
        state: Number of other values, such as moving statistics.
    """

    name: str
    stage: str
    layers: tuple[str, ...]
    params: int
    trainable_params: int
    state: int

    @property
    def trainable(self) -> bool:
        """Whether any of its parameters is trainable."""
        return self.trainable_params > 0


def blocks(model: keras.Model) -> tuple[Block, ...]:
    """Divide a network into its blocks, by the names of its layers.

    Args:
        model: Network from normalized pixels to logits; nested models are opened.

    Returns:
        The blocks in order; the last is ``head``, the last dense layer. Every parameter is in
        exactly one.

    Raises:
        ConfigError: The network has no dense layer.
    """
    return tuple(_block(name, group) for name, group in _groups(model).items())


def set_trainable(
    model: keras.Model, scope: str, batchnorm: BatchNorm = "frozen"
) -> tuple[str, ...]:
    """Make some blocks trainable and freeze the others.

    A frozen BatchNormalization runs in inference mode: it normalizes by its moving statistics,
    which stay bit-identical.

    Args:
        model: Network from normalized pixels to logits. A compiled training step must be compiled
            again.
        scope: ``all``, ``head``, a block, a stage, a comma-separated list of these, or
            ``from:BLOCK``: that block and all after it.
        batchnorm: ``train``: BatchNormalization in frozen blocks normalizes with batch statistics
            and updates its moving statistics; its scale and offset stay frozen.

    Returns:
        The names of the trainable blocks.

    Raises:
        ConfigError: There is no such block; the valid names are listed.
    """
    groups = _groups(model)
    chosen = _chosen(scope, list(groups))
    model.trainable = True  # a frozen container would override the flags of its layers
    for name, group in groups.items():
        for layer in group:
            layer.trainable = name in chosen
            for weight in parameters(layer):
                # Keras does not pass True on to weights that were frozen one by one.
                weight.trainable = name in chosen
            if name not in chosen and batchnorm == "train":
                _move_statistics(layer)
    return tuple(chosen)


def head_of(model: keras.Model) -> layers.Dense:
    """Find the last dense layer, in nested models too.

    Raises:
        ConfigError: There is none.
    """
    for layer in reversed(list(flat(model))):
        if isinstance(layer, layers.Dense):
            return layer
    raise ConfigError(f"{model.name}: has no dense layer, so it has no head to train.")


def flat(model: keras.Model) -> Iterator[layers.Layer]:
    """Yield the layers of a model in order, nested models opened, without its inputs."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat(layer)
        elif not isinstance(layer, layers.InputLayer):
            yield layer


def parameters(layer: layers.Layer) -> list[keras.Variable]:
    """List the weights of a layer that gradients can reach: no statistics, no seeds."""
    if isinstance(layer, layers.Normalization):
        return []
    moving: list[keras.Variable] = []
    if isinstance(layer, layers.BatchNormalization):
        moving = [layer.moving_mean, layer.moving_variance]
    return [
        weight
        for weight in layer.weights
        if keras.backend.is_float_dtype(weight.dtype)
        and not any(weight is other for other in moving)
    ]


def count(weights: Sequence[keras.Variable]) -> int:
    """Count the values in some weights."""
    return sum(math.prod(weight.shape) for weight in weights)


def _groups(model: keras.Model) -> dict[str, list[layers.Layer]]:
    head = head_of(model)
    groups: dict[str, list[layers.Layer]] = {}
    waiting: list[layers.Layer] = []
    last = ""
    for layer in flat(model):
        if layer is head:
            continue
        name = block_of(layer.name)
        name = "features" if name == "head" else name
        # Layers without weights belong to the block around them.
        if not layer.weights and name not in groups:
            (groups[last] if last else waiting).append(layer)
            continue
        groups.setdefault(name, []).extend([*waiting, layer])
        waiting, last = [], name
    groups["head"] = [*waiting, head]
    return groups


def _block(name: str, group: Sequence[layers.Layer]) -> Block:
    learnable = [weight for layer in group for weight in parameters(layer)]
    everything = [weight for layer in group for weight in layer.weights]
    return Block(
        name,
        stage_of(name),
        tuple(layer.name for layer in group),
        count(learnable),
        sum(trainable_params(layer) for layer in group),
        count(everything) - count(learnable),
    )


def trainable_params(layer: layers.Layer) -> int:
    """Count the trainable values of a layer."""
    return count([weight for weight in parameters(layer) if layer.trainable and weight.trainable])


def _chosen(scope: str, names: list[str]) -> list[str]:
    if scope == "all":
        return names
    if scope.startswith("from:"):
        first = _members(scope.removeprefix("from:"), names)[0]
        return names[names.index(first) :]
    wanted = {name for part in scope.split(",") for name in _members(part.strip(), names)}
    return [name for name in names if name in wanted]


def _members(part: str, names: list[str]) -> list[str]:
    members = [name for name in names if part in (name, stage_of(name))]
    if members:
        return members
    stages = list(dict.fromkeys(stage_of(name) for name in names))
    valid = list(dict.fromkeys([*names, *stages]))
    near = difflib.get_close_matches(part, valid, cutoff=0.6)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise ConfigError(
        f"there is no block {part!r} in this network.{hint} Expected all, head, from:BLOCK, or "
        f"a comma-separated list of: {', '.join(valid)}."
    )


def _move_statistics(layer: layers.Layer) -> None:
    if isinstance(layer, layers.BatchNormalization):
        layer.trainable = True
        for weight in parameters(layer):
            weight.trainable = False
