"""The first kernels of a trained network, and the feature maps of its blocks.

Knows: layers, blocks, which maps are worth showing. Does not know: how they are drawn
(:mod:`kerascnn.report.sheet`).
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from kerascnn import images
from kerascnn.errors import ConfigError
from kerascnn.training.explain.layer_outputs import outputs
from kerascnn.training.networks.blocks import blocks, flat
from kerascnn.training.networks.from_pixels import from_pixels
from kerascnn.training.run.folder import Run


@dataclass(frozen=True)
class BlockMaps:
    """Feature maps of one block.

    Attributes:
        layer: Layer whose output they are: the block's last that outputs maps.
        shape: Shape of the whole output: rows, columns, channels.
        channels: Indices of the channels that are kept.
        maps: float32 ``[kept, rows, columns]``.
    """

    block: str
    layer: str
    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    maps: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """The kernels and feature maps of a network for one picture.

    Attributes:
        picture: uint8 ``[size, size, 3]``, as the network sees it.
        first: Name of the first convolution.
        kernels: Filters of the first convolution, float32 ``[filters, rows, columns, channels]``.
        blocks: Maps of the blocks, in order.
    """

    picture: images.UInt8Array
    first: str
    kernels: npt.NDArray[np.float32]
    blocks: tuple[BlockMaps, ...]


def features_of(
    run: Run, picture: images.UInt8Array, block: str | None = None, count: int = 8
) -> Features:
    """Run a network on one picture, and keep the outputs of its blocks.

    Args:
        picture: uint8 ``[height, width, 3]``, RGB, of any size.
        block: Block whose maps to keep; None: every block that outputs maps.
        count: Maximum number of maps per block: those with the strongest activations.

    Raises:
        ConfigError: There is no such block, it outputs no maps, or ``count`` is below 1.
    """
    if count < 1:
        raise ConfigError(f"count is {count}; expected at least 1.")
    card = run.card
    core = run.load_model(card)
    sized = images.size_picture(picture, card.image_size, card.resize)
    everything = list(flat(core))
    first = _first_convolution(core, everything)
    seen = outputs(from_pixels(core, card.normalization), sized[None], everything)
    maps = {name: ops.convert_to_numpy(ops.cast(output, "float32"))[0]
            for name, output in seen.items() if len(output.shape) == 4}  # fmt: skip
    homes = {name: one.name for one in blocks(core) for name in one.layers}
    last = {homes[name]: name for name in maps if name in homes}
    if block is not None and block not in last:
        raise ConfigError(
            f"there is no block {block!r} that outputs feature maps. "
            f"Choose one of: {', '.join(last)}."
        )
    kept = {block: last[block]} if block is not None else last
    shown = tuple(_strongest(name, layer, maps[layer], count) for name, layer in kept.items())
    kernel = ops.convert_to_numpy(ops.cast(first.kernel, "float32")).transpose(3, 0, 1, 2)
    return Features(sized, first.name, kernel, shown)


def _first_convolution(core: keras.Model, everything: list[layers.Layer]) -> layers.Conv2D:
    for layer in everything:
        if isinstance(layer, layers.Conv2D):
            return layer
    raise ConfigError(f"{core.name}: has no convolution, so it has no filters to show.")


def _strongest(block: str, layer: str, output: npt.NDArray[np.float32], count: int) -> BlockMaps:
    answers = np.abs(output).mean(axis=(0, 1))
    chosen = np.sort(np.argsort(-answers, kind="stable")[:count])
    rows, columns, channels = output.shape
    return BlockMaps(
        block,
        layer,
        (rows, columns, channels),
        tuple(int(number) for number in chosen),
        output[:, :, chosen].transpose(2, 0, 1),
    )
