"""The layers that users put before and after a backbone in their own transfer models.

Knows: a backbone is complete if all its tensors are there, and remaining tensors belong to a head
of any name if none of them is a convolution. Does not know: files, libraries' names.
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
    """Drop the layers that a transfer model has besides its backbone.

    Args:
        tensors: Tensors by ``LAYER/WEIGHT``, with our names of known layers.
        head: Name of the head among them.

    Returns:
        The tensors of the network. A single remaining dense layer of the head's shape becomes the
        head. If a convolution remains, all tensors: it is another network.
    """
    layers = {name: name.rpartition("/")[0] for name in tensors}
    left = [name for name in tensors if layers[name] not in ours]
    if not left or any(tensors[name].ndim > 2 for name in left):
        return tensors
    dense = {layers[name] for name in left if tensors[name].ndim == 2}
    kept = {name: tensor for name, tensor in tensors.items() if name not in left}
    if len(dense) == 1 == len({layers[name] for name in left}) and head not in map(
        layers.get, kept
    ):
        only = dense.pop()
        if tensors.get(f"{only}/kernel", tensors[left[0]]).shape == shape:
            return kept | {f"{head}/{name.rpartition('/')[2]}": tensors[name] for name in left}
    _warn_unused(source, {layers[name] for name in left})
    # A head after layers that are dropped was trained on other inputs.
    return {name: tensor for name, tensor in kept.items() if layers[name] != head}


def split_own_linear(
    tensors: Tensors,
    known: Callable[[str], str | None],
    head: str,
    shape: tuple[int, ...],
    source: str,
) -> tuple[Tensors, Tensors]:
    """Separate PyTorch's tensors of a network from the linear layers of a custom head.

    Returns:
        The network's tensors, and those of its head by ``LAYER/WEIGHT`` if a single linear layer
        has its shape.
    """
    unknown = [name for name in tensors if known(name) is None]
    linear = {name.rpartition(".")[0] for name in unknown if tensors[name].ndim == 2}
    left = [name for name in unknown if name.rpartition(".")[0] in linear]
    kept = {name: tensor for name, tensor in tensors.items() if name not in left}
    found: Tensors = {}
    if any(name not in left and not IGNORED.fullmatch(name) for name in unknown):
        return kept, found  # another network, which is reported later
    if len(linear) == 1 and tensors[f"{next(iter(linear))}.weight"].shape[::-1] == shape:
        names = {"weight": "kernel", "bias": "bias"}
        for name in left:
            tensor = tensors[name]
            ours = f"{head}/{names.get(name.rpartition('.')[2], name)}"
            found[ours] = tensor.transpose() if tensor.ndim == 2 else tensor
    elif left:
        _warn_unused(source, linear)
    return kept, found


def _warn_unused(source: str, layers: set[str]) -> None:
    log.warning(
        "%s: only the backbone is used; other layers of the model are left out: %s.",
        source, first_few(sorted(layers)),
    )  # fmt: skip
