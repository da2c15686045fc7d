"""What people put before and behind a backbone in transfer models of their own.

Knows: that a backbone is there when all its tensors are, and that what is left over belongs to a
head of any name as long as no convolution is among it. Does not know files or libraries' names.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kerascnn.printable import first_few
from kerascnn.training.weights.torch_files import Tensors
from kerascnn.training.weights.torch_names import IGNORED

log = logging.getLogger(__name__)


def without_own_head(
    tensors: Tensors, ours: set[str], head: str, shape: tuple[int, ...], source: str
) -> Tensors:
    """Leave out the layers that a transfer model has besides its backbone.

    Args:
        tensors: By ``LAYER/WEIGHT``, with our names where we have the layer.
        ours: Names of the network's layers.
        head: Which of them is the head.
        shape: Shape of the head's kernel.
        source: Where it comes from, for error messages.

    Returns:
        Those of the network. A single dense layer that is left over and has the head's shape is
        the head. If a convolution is left over, all: it is another network then.
    """
    layers = {name: name.rpartition("/")[0] for name in tensors}
    left = [name for name in tensors if layers[name] not in ours]
    if not left or any(tensors[name].ndim > 2 for name in left):
        return tensors
    dense = {layers[name] for name in left if tensors[name].ndim == 2}
    kept = {name: tensor for name, tensor in tensors.items() if name not in left}
    if len(dense) == 1 == len({layers[name] for name in left}) and not _has(kept, head):
        only = dense.pop()
        if tensors.get(f"{only}/kernel", tensors[left[0]]).shape == shape:
            return kept | {f"{head}/{name.rpartition('/')[2]}": tensors[name] for name in left}
    _tell(source, {layers[name] for name in left})
    # A head behind layers that were left out knows nothing about what it gets now.
    return {name: tensor for name, tensor in kept.items() if layers[name] != head}


def split_own_linear(
    tensors: Tensors,
    known: Callable[[str], str | None],
    head: str,
    shape: tuple[int, ...],
    source: str,
) -> tuple[Tensors, Tensors]:
    """Part PyTorch's tensors of a network from linear layers of a head of one's own.

    Returns:
        The network's, and those of its head by ``LAYER/WEIGHT`` if one linear layer has its shape.
    """
    unknown = [name for name in tensors if known(name) is None]
    linear = {name.rpartition(".")[0] for name in unknown if tensors[name].ndim == 2}
    left = [name for name in unknown if name.rpartition(".")[0] in linear]
    kept = {name: tensor for name, tensor in tensors.items() if name not in left}
    found: Tensors = {}
    if any(name not in left and not IGNORED.fullmatch(name) for name in unknown):
        return kept, found  # of another network, which is told
    if len(linear) == 1 and tensors[f"{next(iter(linear))}.weight"].shape[::-1] == shape:
        names = {"weight": "kernel", "bias": "bias"}
        for name in left:
            tensor = tensors[name]
            ours = f"{head}/{names.get(name.rpartition('.')[2], name)}"
            found[ours] = tensor.transpose() if tensor.ndim == 2 else tensor
    elif left:
        _tell(source, linear)
    return kept, found


def _has(tensors: Tensors, layer: str) -> bool:
    return any(name.startswith(f"{layer}/") for name in tensors)


def _tell(source: str, layers: set[str]) -> None:
    log.warning(
        "%s: only the backbone is used; other layers of the model are left out: %s.",
        source, first_few(sorted(layers)),
    )  # fmt: skip
