"""Users' own modules around a network of torchvision or timm.

Knows: wrappers prefix names, ``Sequential`` numbers a network's parts, and some modules keep its
features alone. Does not know: our names, files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from kerascnn.errors import ModelFileError
from kerascnn.printable import first_few
from kerascnn.training.networks import NETWORKS
from kerascnn.training.networks.table import VGG_REPEATS
from kerascnn.training.weights.torch_files import Tensors
from kerascnn.training.weights.torch_names import IGNORED, LAYOUTS
from kerascnn.training.weights.transformers_names import TRANSFORMERS, timm_name

_PARTS = {
    "resnet": ["conv1 bn1 relu maxpool layer1 layer2 layer3 layer4 avgpool fc"],
    "densenet": ["features classifier", "features global_pool head_drop classifier"],
    "efficientnet": [
        "features avgpool classifier",
        "conv_stem bn1 blocks conv_head bn2 global_pool classifier",
    ],
    "mobilenet_v2": [
        "features classifier",
        "conv_stem bn1 blocks conv_head bn2 global_pool classifier",
    ],
    "convnext": ["features avgpool classifier", "stem stages norm_pre head"],
    "alexnet": ["features avgpool classifier"],
    "vgg": ["features avgpool classifier", "features pre_logits head"],
}
"""Parts of a network in the order of torchvision and of timm: ``nn.Sequential(*m.children())``."""

_DEEPEST = 7
"""Maximum number of parts in a prefix, plus one."""

Spelling = Callable[[str], str]


def module_names(tensors: Tensors, layout: str, source: str) -> Tensors:
    """Rename tensors as in torchvision's or timm's own network.

    They may be from DataParallel, ``torch.compile``, Lightning, fastai, or a module that holds the
    network or its features. Those without the prefix under which most names are known (a loss) are
    dropped, unless they are convolutions, or linear layers where the network has no head.

    Raises:
        ModelFileError: The file holds the network more than once.
    """
    found = _recognized(tensors, layout)
    (best, index), most = max(found.items(), key=lambda item: item[1])
    if 4 * most < len(tensors):
        return tensors  # another network, which is reported by the names in the file
    spellings = list(_spellings(layout))
    alike = {prefix for (prefix, _), count in found.items() if count == most}
    # A longer prefix of the same tensors, spelled differently, is the same network.
    same = sorted(one for one in alike if not any(one != p and one.startswith(p) for p in alike))
    if len(same) > 1:
        raise ModelFileError(
            f"{source}: holds the network {len(same)} times ({', '.join(same)}); expected it "
            "once. Save only the right one, where it was made: torch.save(model.state_dict(), "
            "'weights.pth')."
        )
    kept = {
        spellings[index](name.removeprefix(best)): tensor
        for name, tensor in tensors.items()
        if name.startswith(best) or _is_convolution(tensor)
    }
    if any(str(LAYOUTS[layout](name)).startswith("head/") for name in kept):
        return kept
    return kept | _linear({n: one for n, one in tensors.items() if not n.startswith(best)})


def _linear(tensors: Tensors) -> Tensors:
    """Return the linear layers with a bias, which may be a head, as ``backbone`` and ``head``."""
    layers = {name.rpartition(".")[0] for name, one in tensors.items() if one.ndim == 2}
    parts = [(f"{layer}.weight", f"{layer}.bias") for layer in layers]
    return {name: tensors[name] for both in parts if tensors.keys() >= {*both} for name in both}


def not_this_network(tensors: Tensors, layout: str, unknown: str, source: str) -> ModelFileError:
    """Make the error for tensors that the network does not have, naming their own network."""
    names = {name: one for name, one in tensors.items() if not IGNORED.fullmatch(name)}
    most = {one: max(_recognized(names, one).values()) for one in LAYOUTS}
    best = max(most.values())
    alike = [row.name for row in NETWORKS.values() if row.torch and most[row.torch] == best]
    if 2 * best < len(names):
        return ModelFileError(
            f"{source}: {unknown} and most of its {len(names)} tensors are not named like those "
            "of any network whose PyTorch weights can be used here. docs/transfer.md lists these "
            "networks."
        )
    if most[layout] == best:
        return ModelFileError(
            f"{source}: {unknown} is not a tensor of this network, although {best} of "
            f"{len(names)} have its names: the weights are of a variant (timm has many), or of a "
            "network with custom convolutions. Neither can be used."
        )
    return ModelFileError(
        f"{source}: {unknown} is not a tensor of this network; {best} of {len(names)} have the "
        f"names of {first_few(alike)}. Choose the network that the weights were made for; if it "
        "is none of these, they cannot be used."
    )


def _recognized(tensors: Tensors, layout: str) -> Counter[tuple[str, int]]:
    """Count the known names under each prefix, in each spelling."""
    # BatchNormalization of VGG is folded into its convolutions, and shifts their numbers.
    folded = layout in VGG_REPEATS and any(name.endswith("running_var") for name in tensors)
    found: Counter[tuple[str, int]] = Counter()
    for prefix in _prefixes(tensors):
        names = [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]
        for index, spelling in enumerate(_spellings(layout)):
            spelled = map(spelling, names)
            found[prefix, index] = sum(
                LAYOUTS[layout](name) is not None
                or bool(folded and re.fullmatch(r"features\.\d+\.\w+", name))
                for name in spelled
            )
    return found


def _is_convolution(tensor: npt.NDArray[np.generic]) -> bool:
    """Return whether a tensor is a convolution, not a channel mean shaped for broadcasting."""
    return tensor.ndim > 2 and sum(side > 1 for side in tensor.shape) > 1


def _prefixes(tensors: Tensors) -> list[str]:
    """Return all prefixes of names, the empty one first."""
    prefixes = {""}
    for name in tensors:
        parts = name.split(".")
        prefixes |= {".".join(parts[:end]) + "." for end in range(1, min(_DEEPEST, len(parts)))}
    return sorted(prefixes)


def _spellings(layout: str) -> Iterator[Spelling]:
    yield str
    family = "vgg" if layout in VGG_REPEATS else layout.partition("_")[0]
    for parts in _PARTS.get(layout, _PARTS.get(family, [])):
        yield partial(_numbered, parts.split())
    if family in TRANSFORMERS:
        yield partial(timm_name, family)
    yield "features.{}".format


def _numbered(parts: list[str], name: str) -> str:
    """Replace the number of a part by its name, as in ``4.0.conv1.weight``."""
    number, _, rest = name.partition(".")
    is_part = number.isdecimal() and int(number) < len(parts)
    return f"{parts[int(number)]}.{rest}" if is_part else name
