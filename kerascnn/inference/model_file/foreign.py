"""Class names and preprocessing of a foreign model, which its file does not contain.

Knows: the usual normalizations of pixels. Does not know label files, graphs or Keras: the same
description serves an ``.onnx`` file without a card and a Keras file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from kerascnn.card import ChannelOrder, ModelCard, Normalization
from kerascnn.errors import ONCE, ConfigError
from kerascnn.option_kinds import Choice, Text
from kerascnn.options import option, read_all, same_option
from kerascnn.resizing import HEADING, Resize, ResizeRule, Resizing, Shape, choose

log = logging.getLogger(__name__)

Normalize = Literal["none", "unit", "tf", "torch", "caffe"]
NORMALIZE: tuple[Normalize, ...] = get_args(Normalize)

Outputs = Literal["logits", "probabilities"]

MADE_ELSEWHERE = "made elsewhere"
"""Network name on the card of a foreign graph."""

OTHER_CHANNELS = (
    "If it takes RGBA, put a layer in front that adds a channel of its alpha to RGB, and export it "
    "again."
)
"""Advice for a model that takes another number of channels."""

_MIDDLE = (127.5, 127.5, 127.5)
_HIGHEST = (255.0, 255.0, 255.0)
"""Midpoint and maximum of 8-bit pixels, per channel."""

NORMALIZATIONS: dict[str, Normalization] = {
    "none": Normalization(),
    "unit": Normalization(std=_HIGHEST),
    "tf": Normalization(_MIDDLE, _MIDDLE),
    "torch": Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": Normalization((103.939, 116.779, 123.68), channel_order="BGR"),
}
"""Normalizations by name. ``none``: 0 to 255, unchanged; ``unit``: 0 to 1; ``tf``: -1 to 1;
``torch``: ImageNet's mean and standard deviation, RGB; ``caffe``: ImageNet's mean subtracted, BGR.
The last three are the modes of Keras' ``preprocess_input``."""


_RANGES = {"NominalRange_0_255": "none", "Normalized_0_1": "unit", "Normalized_1_1": "tf"}
"""Normalizations by ONNX's names of ranges of pixels."""


def declared_pixels(metadata: Mapping[str, str]) -> Normalization | None:
    """Return the normalization in ONNX's own metadata of pictures, which Custom Vision writes.

    None if range or order of channels are missing or not known.
    """
    named = _RANGES.get(metadata.get("Image.NominalPixelRange", ""))
    orders: dict[str, ChannelOrder] = {"Bgr8": "BGR", "Rgb8": "RGB", "Gray8": "RGB"}
    order = orders.get(metadata.get("Image.BitmapPixelFormat", ""))
    return replace(NORMALIZATIONS[named], channel_order=order) if named and order else None


@dataclass(frozen=True)
class PictureSize:
    """An input size: one number for height and width, or two."""

    expected: str = "224, or height and width, 48x192"
    metavar: str = "PIXELS|HxW"
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> int | Shape:
        """Parse ``224``, ``48x192`` or a pair."""
        sides = list(value) if isinstance(value, list | tuple) else str(value).lower().split("x")
        whole = all(str(side).isdecimal() and int(side) for side in sides)
        if len(sides) not in (1, 2) or not whole:
            raise ValueError(value)
        height, width = int(sides[0]), int(sides[-1])
        return height if height == width else (height, width)


@dataclass(frozen=True)
class ForeignModel:
    """Class names and preprocessing of a model that kerascnn did not export.

    The declarations of the options describe the other fields, and what None means.

    Attributes:
        classes: Names in the order of the outputs; empty: those in the file's metadata.
        sizing: Resizing as in another library; None: ``resize`` applies.
        normalization: Means and standard deviations, in place of ``normalize``.

    Raises:
        ConfigError: A value is invalid.
    """

    # fmt: off
    classes: tuple[str, ...] = ()
    image_size: int | Shape | None = option(None, PictureSize(),
        "Input size, e.g. 224 or 48x192 (height x width).", HEADING,
        without="the size fixed in the file")
    normalize: Normalize | None = option(None, Choice(NORMALIZE),
        "Pixel values it was trained on: 0 to 255 (none), 0 to 1 (unit), -1 to 1 (tf), "
        "standardized with ImageNet's mean and standard deviation (torch), or BGR minus that mean "
        "(caffe).", HEADING, without="none")
    resize: Resize | None = same_option(Resizing, "resize", default=None)
    outputs: Outputs | None = option(None, Choice(get_args(Outputs)),
        "Whether the outputs are logits or probabilities.", HEADING, without="detected")
    output: str | None = option(None, Text("the name of an output", "NAME"),
        "Which of several outputs holds the predictions.", HEADING)
    # fmt: on
    sizing: Resizing | None = None
    normalization: Normalization | None = None

    def __post_init__(self) -> None:
        read_all(self)

    def completed_from(self, other: ForeignModel) -> ForeignModel:
        """Fill in what the user did not give from the file's metadata, or a file next to it."""
        own = self.normalize or self.normalization
        return replace(
            self,
            classes=self.classes or other.classes,
            image_size=self.image_size or other.image_size,
            normalize=self.normalize if own else other.normalize,
            normalization=self.normalization if own else other.normalization,
            sizing=self.sizing if self.resize or self.sizing else other.sizing,
        )

    def check_class_count(self, path: str | Path) -> None:
        """Refuse a single class, whose probability would always be 1.

        Raises:
            ConfigError: There is one.
        """
        if len(self.classes) == 1:
            raise ConfigError(
                f"{path}: only one class is named, {self.classes[0]}; expected two or more. If it "
                "gives one number, the probability of that class, give `labels` FILE with two: the "
                "opposite first."
            )

    @property
    def shape(self) -> Shape | None:
        """Height and width of the input, if they were given."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size

    def resize_rule(self, shape: Shape) -> ResizeRule:
        """Return the resize rule, once the size is known."""
        if self.sizing:
            return self.sizing.for_shape(shape)
        if shape[0] == shape[1]:
            return self.resize or "squash"
        return choose(resize=self.resize)

    def card(
        self, name: str, network: str, image_size: int | Shape, channels: int = 3
    ) -> ModelCard:
        """Create the card that the file lacks, without metrics, parity and probes.

        ``network``: its name, or that of the program that made it.

        Raises:
            ConfigError: A normalization of three channels for a network with one.
        """
        shape = (image_size, image_size) if isinstance(image_size, int) else image_size
        rule = self.resize_rule(shape)
        return ModelCard(
            name,
            network,
            self.classes,
            shape[0],
            rule.resize if isinstance(rule, Resizing) else rule,
            normalization=self._normalization(name, channels),
            image_width=shape[1] if shape[1] != shape[0] else None,
            sizing=rule if isinstance(rule, Resizing) else None,
        )

    @property
    def for_color(self) -> bool:
        """Whether the normalization differs between channels, so that there must be three."""
        normalization = self._in_color
        return len(set(normalization.mean)) > 1 or len(set(normalization.std)) > 1

    @property
    def _in_color(self) -> Normalization:
        return self.normalization or NORMALIZATIONS[self.normalize or "none"]

    def _normalization(self, name: str, channels: int) -> Normalization:
        normalization = self._in_color
        if channels == 3:
            return normalization
        if self.for_color:
            said = f"`normalize` {self.normalize}" if not self.normalization else "`mean` or `std`"
            raise ConfigError(
                f"{name}: takes gray pictures, but {said} is for three channels. Choose none, "
                "unit or tf, or give one number."
            )
        return Normalization(normalization.mean, normalization.std, "grey")

    def warn_if_unnormalized(self, name: str) -> None:
        """Warn that pixels are not normalized if no normalization was given."""
        if self.normalize is None and self.normalization is None:
            log.warning(
                "%s: `normalize` was not given, so the network gets pixels from 0 to 255. If it "
                "was trained on another range, its predictions are wrong: set `normalize` %s.",
                name,
                "|".join(NORMALIZE),
                extra=ONCE,  # a command may open a file several times
            )


Foreign = ForeignModel
"""Former name, kept for existing scripts."""


def size_missing(path: str | Path) -> ConfigError:
    """Return the error for a model that takes pictures of any size, if the user gives none."""
    return ConfigError(
        f"{path}: takes pictures of any size, so `image_size` is missing: height and width in "
        "pixels that it was trained with, 224 or 48x192."
    )
