"""The summary of a network: layers, output shapes, parameters.

Knows: how parameters are counted. Does not know: how they are displayed.

As in PyTorch, BatchNormalization's moving statistics are not counted as parameters, because no
gradient reaches them, but as ``state``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import keras

from kerascnn import notebook
from kerascnn.language import tr
from kerascnn.training.networks.blocks import (
    Block,
    blocks,
    count,
    flat,
    parameters,
    trainable_params,
)


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Attributes:
        output_shape: Without the batch axis, e.g. ``(28, 28, 7)``.
        params: Number of weights that gradients can reach.
        trainable: Whether they are trainable (True for layers without parameters, as in Keras).
        state: Number of other values: moving statistics, seeds.
    """

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    params: int
    trainable: bool
    state: int


@dataclass(frozen=True)
class Summary:
    """All layers of a network, and the totals.

    Attributes:
        layers: One row per layer, from input to output.
        blocks: Blocks in order; see :func:`kerascnn.training.blocks`.
    """

    model: str
    layers: tuple[LayerRow, ...]
    blocks: tuple[Block, ...] = ()

    @property
    def total_params(self) -> int:
        """Number of all parameters."""
        return sum(row.params for row in self.layers)

    @property
    def trainable_params(self) -> int:
        """Number of trainable parameters."""
        return sum(row.params for row in self.layers if row.trainable)

    @property
    def state(self) -> int:
        """Number of other values, such as moving statistics."""
        return sum(row.state for row in self.layers)

    def groups(self) -> Iterator[tuple[str, list[Block]]]:
        """Yield each stage with its blocks, then each block of its own name, indented, alone."""
        for stage, members in groupby(self.blocks, key=lambda block: block.stage):
            group = list(members)
            yield stage, group
            if len(group) > 1 or group[0].name != stage:
                yield from ((f"  {block.name}", [block]) for block in group)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values for JSON."""
        return {
            "model": self.model,
            "layers": [asdict(row) for row in self.layers],
            "blocks": [{**asdict(block), "trainable": block.trainable} for block in self.blocks],
            "total_params": self.total_params,
            "trainable_params": self.trainable_params,
            "non_trainable_params": self.total_params - self.trainable_params,
            "state": self.state,
        }

    def _repr_html_(self) -> str:
        rows = [_numbers(name, group) for name, group in self.groups()]
        total, learns = f"{self.total_params:,}", f"{self.trainable_params:,}"
        said = tr("{total} parameters, {trainable} trainable", total=total, trainable=learns)
        tree = notebook.table((tr("block"), tr("parameters"), tr("trainable")), rows)
        return notebook.card(self.model, {tr("in all"): said}, tree)


def _numbers(name: str, group: list[Block]) -> tuple[str, str, str]:
    params = sum(block.params for block in group)
    learns = sum(block.trainable_params for block in group)
    return name, f"{params:,}", tr("frozen") if params and not learns else f"{learns:,}"


def summarize(model: keras.Model) -> Summary:
    """Summarize a built network, nested models included."""
    return Summary(model.name, tuple(_row(layer) for layer in flat(model)), blocks(model))


def _row(layer: keras.layers.Layer) -> LayerRow:
    learnable = count(parameters(layer))
    learns = trainable_params(layer)
    return LayerRow(
        name=layer.name,
        type=type(layer).__name__,
        output_shape=_output_shape(layer),
        params=learnable,
        trainable=learns > 0 if learnable else bool(layer.trainable),
        state=count(layer.weights) - learnable,
    )


def _output_shape(layer: keras.layers.Layer) -> tuple[int | None, ...]:
    output = layer.output
    first = output[0] if isinstance(output, list | tuple) else output
    return tuple(first.shape[1:])
