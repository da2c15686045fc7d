"""One row of the table of networks.

Knows: the columns of a row, and how its builder is found. Does not know: any network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerascnn.card import Normalization
from kerascnn.inference.model_file.foreign import NORMALIZATIONS

if TYPE_CHECKING:
    import keras

UNIT = NORMALIZATIONS["tf"]
"""Pixels to -1..1: the course's, for networks with random initial weights, and MobileNet's."""

CAFFE = NORMALIZATIONS["caffe"]
"""ImageNet's mean subtracted, BGR: the original VGG and ResNet, and keras.applications'."""

TORCH = NORMALIZATIONS["torch"]
"""ImageNet's mean and standard deviation, RGB: torchvision, timm and keras-hub."""

INSIDE = NORMALIZATIONS["none"]
"""Raw pixels: the network normalizes in its own first layers."""

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of R, G and B, on a scale of 0 to 1."""


@dataclass(frozen=True)
class Network:
    """One row of the table of networks.

    Attributes:
        summary: One line for ``kerascnn models``.
        builder: ``MODULE.FUNCTION`` in this package; it takes ``name, classes, image_size,
            imagenet`` (the library's weights, or None) and the recipe, and returns a model from
            normalized float32 ``[batch, image_size, image_size, 3]`` to logits ``[batch,
            classes]``.
        image_size: Default height and width of the input, in pixels.
        minimum_size: Smallest input that leaves a feature map to classify, in pixels.
        normalization: Normalization of pixels for random initial weights.
        imagenet: Normalization for the library's ImageNet weights; None: there are none.
        family: Name of a group of networks that differ in size only; tests take the smallest of
            each.
        learning_rate: Default peak learning rate, found on validation pictures; shallow networks
            tolerate a higher one than deep networks.
        torch: Naming scheme of the tensors of its PyTorch twin (a key of
            :data:`kerascnn.training.weights.torch_names.LAYOUTS`); None: it has no twin.
        torch_twin: Network that takes PyTorch's weights in its place.
    """

    name: str
    summary: str
    builder: str
    image_size: int
    minimum_size: int
    normalization: Normalization
    imagenet: Normalization | None = None
    family: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float = 0.003
    torch: str | None = None
    torch_twin: str | None = None
    source: str = "kerascnn"

    @property
    def counting_size(self) -> int:
        """Smallest image size with as many parameters as the default size."""
        flattens = self.family in {"cnn", "lenet5", "lenet5_modern", "alexnet", "vgg", "vgg_hub"}
        return self.image_size if flattens else self.minimum_size

    @property
    def weights(self) -> tuple[str, ...]:
        """Possible sources of initial weights, besides Keras' own files."""
        imagenet = (f"imagenet ({self.source})",) if self.imagenet else ()
        return imagenet + (("torchvision/timm file",) if self.torch or self.torch_twin else ())

    def build(self, classes: int, image_size: int, imagenet: Path | None = None) -> keras.Model:
        """Build the network; see :func:`kerascnn.training.networks.build_network`."""
        module, _, function = self.builder.partition(".")
        build = getattr(import_module(f"{__package__}.{module}"), function)
        model: keras.Model = build(self.name, classes, image_size, imagenet=imagenet, **self.recipe)
        return model
