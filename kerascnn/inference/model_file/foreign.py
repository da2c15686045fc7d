"""Class names and preprocessing of a foreign model, which its file does not contain.

Knows: the usual normalizations of pixels. Does not know label files, graphs or Keras: the same
description serves an ``.onnx`` file without a card and a Keras file.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal, get_args

from kerascnn.card import ModelCard, Normalization
from kerascnn.errors import ConfigError
from kerascnn.images import RESIZE_RULES, Resize, ResizeRule, Resizing, Shape
from kerascnn.inference.model_file.output_meaning import OUTPUTS, Outputs
from kerascnn.resizing import choose

log = logging.getLogger(__name__)

Normalize = Literal["none", "unit", "tf", "torch", "caffe"]
NORMALIZE: tuple[Normalize, ...] = get_args(Normalize)

MADE_ELSEWHERE = "made elsewhere"
"""Network name on the card of a foreign graph."""

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


@dataclass(frozen=True)
class ForeignModel:
    """Class names and preprocessing of a model that kerascnn did not export.

    Attributes:
        classes: Names in the order of the outputs; empty: those in the file's metadata.
        image_size: Height and width of the input in pixels, one number for both; None: the size
            that is fixed in the file.
        normalize: Pixel values that the model was trained on, a key of :data:`NORMALIZATIONS`;
            None: ``none``, with a warning.
        resize: How pictures are resized; None: as in the file's metadata, else ``squash``.
        sizing: Resizing as in another library; None: ``resize`` applies.
        normalization: Means and standard deviations, in place of ``normalize``.
        outputs: ``logits`` or ``probabilities``; None: detected.
        output: Name of the output that holds the predictions; None: the one that fits.
    """

    classes: tuple[str, ...] = ()
    image_size: int | Shape | None = None
    normalize: Normalize | None = None
    resize: Resize | None = None
    outputs: Outputs | None = None
    output: str | None = None
    sizing: Resizing | None = None
    normalization: Normalization | None = None

    def __post_init__(self) -> None:
        if self.shape is not None and min(self.shape) < 1:
            raise ConfigError(f"`image_size` is {self.image_size}; expected at least 1 pixel.")
        if self.normalize is not None and self.normalize not in NORMALIZE:
            raise ConfigError(
                f"`normalize` {self.normalize!r} is not known. "
                f"Choose one of: {', '.join(NORMALIZE)}."
            )
        if self.resize is not None and self.resize not in RESIZE_RULES:
            raise ConfigError(
                f"`resize` {self.resize!r} is not known. Choose one of: {', '.join(RESIZE_RULES)}."
            )
        if self.outputs is not None and self.outputs not in OUTPUTS:
            raise ConfigError(
                f"`outputs` {self.outputs!r} is not known. Choose one of: {', '.join(OUTPUTS)}."
            )

    def completed_from(self, told: ForeignModel) -> ForeignModel:
        """Fill in what the user did not give from the file's metadata, or a file next to it."""
        own = self.normalize or self.normalization
        return replace(
            self,
            classes=self.classes or told.classes,
            image_size=self.image_size or told.image_size,
            normalize=self.normalize if own else told.normalize,
            normalization=self.normalization if own else told.normalization,
            sizing=self.sizing if self.resize or self.sizing else told.sizing,
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
        """Create the card that the file lacks.

        Args:
            name: Name of the model.
            network: Name of the network, or of the program that made it.
            image_size: Height and width; one number for both.
            channels: Input channels, 3 or 1.

        Returns:
            The card, without metrics, parity and probes.

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

    def _normalization(self, name: str, channels: int) -> Normalization:
        normalization = self.normalization or NORMALIZATIONS[self.normalize or "none"]
        if channels == 3:
            return normalization
        if len(set(normalization.mean)) > 1 or len(set(normalization.std)) > 1:
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
            )


Foreign = ForeignModel
"""Former name, kept for existing scripts."""
