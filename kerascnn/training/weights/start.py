"""The initial weights of a network: random, a library's ImageNet weights, or a file.

Knows: which of the three, and which preprocessing comes with it. Does not know: how files are read,
how tensors are checked.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from kerascnn.card import ModelCard, Normalization
from kerascnn.errors import ModelFileError
from kerascnn.files import read_text
from kerascnn.training.networks import Network, build_network, find_network
from kerascnn.training.networks.blocks import flat, head_of
from kerascnn.training.networks.row import INSIDE, TORCH
from kerascnn.training.pretrained import ensure
from kerascnn.training.weights.assign import assign, from_torch
from kerascnn.training.weights.check import check_weights, kind_of
from kerascnn.training.weights.checkpoint import from_checkpoint
from kerascnn.training.weights.files import read_tensors
from kerascnn.training.weights.library_names import from_library
from kerascnn.training.weights.own_heads import without_own_head
from kerascnn.training.weights_location import TORCH_KINDS, on_this_machine, provenance

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartingNetwork:
    """A network ready to be trained.

    Attributes:
        core: Network from normalized pixels to logits.
        normalization: Normalization that the weights expect.
        fresh_head: Whether the head has random weights.
        source: Commit and SHA-256 of weights from the Hugging Face Hub; else empty.
    """

    core: keras.Model
    network: Network
    normalization: Normalization
    fresh_head: bool
    source: str = ""


def start_network(
    network: str | Network,
    classes: int,
    image_size: int,
    weights: str = "none",
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> StartingNetwork:
    """Build a network with its initial weights.

    Args:
        network: Row of the network, or its name as in ``kerascnn models``.
        image_size: Height and width of the input, in pixels.
        weights: ``none``, ``imagenet``, or a file: ``.keras``, ``.weights.h5``, ``.h5``,
            ``.safetensors``, ``.pth``; or ``hf://OWNER/NAME[@REVISION][/FILE]``.
        progress: Called during a download with the bytes done and the total (0: unknown).

    Raises:
        ConfigError: The network does not support the size, or has no such weights.
        ModelFileError: The weights cannot be fetched, read or used.
    """
    asked = find_network(network) if isinstance(network, str) else network
    row = check_weights(asked, weights)
    if row != asked:
        log.warning(
            "%s: PyTorch's %s differs from Keras's in strides or padding; building %s for it.",
            weights, asked.name, row.name,
        )  # fmt: skip
    if weights == "none":
        core = build_network(row, classes, image_size)
        return StartingNetwork(core, row, row.normalization, fresh_head=True)
    if weights == "imagenet":
        return _imagenet(row, classes, image_size, progress)
    core = build_network(row, classes, image_size)
    path = on_this_machine(weights)
    normalization = file_normalization(path, row)
    with_head = _load(core, row, path)
    return StartingNetwork(core, row, normalization, not with_head, provenance(weights))


def file_normalization(path: Path, row: Network) -> Normalization:
    """Return the normalization that the weights of a file expect.

    Returns:
        That of the card beside it (a run of ours), PyTorch's for PyTorch's weights, else that of
        the library's ImageNet weights.
    """
    card = path.parent / "card.json"
    if card.is_file():
        return ModelCard.from_json(read_text(card), str(card)).normalization
    if kind_of(path) in TORCH_KINDS:
        return row.normalization if row.normalization == INSIDE else TORCH
    return row.imagenet or row.normalization


def _imagenet(
    row: Network, classes: int, image_size: int, progress: Callable[[int, int], object]
) -> StartingNetwork:
    build_network(row, classes, image_size)  # raises if the size is wrong
    path = ensure(row.name, progress)
    try:
        core = build_network(row, classes, image_size, imagenet=path)
    except (OSError, ValueError, KeyError) as error:
        reason = textwrap.shorten(str(error), 200, placeholder=" ...")
        raise ModelFileError(
            f"{path}: not ImageNet weights of {row.name} as {row.source} has them ({reason}). "
            f"Download them again: kerascnn weights fetch {row.name}"
        ) from error
    normalization = row.imagenet or row.normalization
    return StartingNetwork(core, row, normalization, fresh_head=True)


def _load(core: keras.Model, row: Network, path: Path) -> bool:
    kind = kind_of(path)
    if kind == ".weights.h5":
        return assign(core, from_checkpoint(core, row, path), str(path))
    tensors = read_tensors(path)
    if kind in TORCH_KINDS and row.torch:
        tensors = from_torch(core, row.torch, tensors, str(path))
    else:
        head = head_of(core)
        ours = {layer.name for layer in flat(core)}
        shape = tuple(head.kernel.shape)
        named = from_library(core, tensors)
        tensors = without_own_head(named, ours, head.name, shape, str(path))
    return assign(core, tensors, str(path))
