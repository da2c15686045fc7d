"""What must be said about a model that was made elsewhere, because its file does not say it.

Knows: the usual ways to normalise pixels. Does not know files of class names, graphs, nor
Keras: an ``.onnx`` file without a card and a Keras file are spoken for in the same words.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal, get_args

from kerascnn.card import ModelCard, Normalization
from kerascnn.errors import ConfigError
from kerascnn.images import RESIZE_RULES, Resize
from kerascnn.inference.meaning import OUTPUTS, Outputs

log = logging.getLogger(__name__)

Normalize = Literal["none", "unit", "tf", "torch", "caffe"]
NORMALIZE: tuple[Normalize, ...] = get_args(Normalize)

_MIDDLE = (127.5, 127.5, 127.5)
_HIGHEST = (255.0, 255.0, 255.0)

NORMALIZATIONS: dict[str, Normalization] = {
    "none": Normalization(),
    "unit": Normalization(std=_HIGHEST),
    "tf": Normalization(_MIDDLE, _MIDDLE),
    "torch": Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": Normalization((103.939, 116.779, 123.68), channel_order="BGR"),
}
"""``none``: 0 to 255 as they are; ``unit``: 0 to 1; ``tf``: -1 to 1; ``torch``: ImageNet's mean
and deviation, RGB; ``caffe``: ImageNet's mean taken off, BGR. The last three are the modes of
Keras' ``preprocess_input``."""


@dataclass(frozen=True)
class Foreign:
    """What its user says about a model that was made elsewhere.

    Attributes:
        classes: Names in the order of the outputs; empty: as the file's metadata say.
        image_size: Height and width of the input in pixels; None: as the file fixes them.
        normalize: What the model expects of its pixels; None: nothing was said.
        resize: How pictures are brought to that size.
        outputs: What the model gives, ``logits`` or ``probabilities``; None: as is found out.
        output: Name of the output that holds the answers; None: the one that fits.
    """

    classes: tuple[str, ...] = ()
    image_size: int | None = None
    normalize: Normalize | None = None
    resize: Resize = "squash"
    outputs: Outputs | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        if self.image_size is not None and self.image_size < 1:
            raise ConfigError(f"image size {self.image_size}; expected at least 1 pixel.")
        if self.normalize is not None and self.normalize not in NORMALIZE:
            raise ConfigError(
                f"normalize {self.normalize!r} is not known. Choose one of: {', '.join(NORMALIZE)}."
            )
        if self.resize not in RESIZE_RULES:
            raise ConfigError(
                f"resize {self.resize!r} is not known. Choose one of: {', '.join(RESIZE_RULES)}."
            )
        if self.outputs is not None and self.outputs not in OUTPUTS:
            raise ConfigError(
                f"outputs {self.outputs!r} is not known. Choose one of: {', '.join(OUTPUTS)}."
            )

    def completed_by(self, told: Foreign) -> Foreign:
        """Take what was not said from what the file tells.

        Args:
            told: Of the file's metadata.

        Returns:
            With the file's class names, and its size and normalisation where none was said.
        """
        return replace(
            self,
            classes=told.classes,
            image_size=self.image_size or told.image_size,
            normalize=self.normalize or told.normalize,
        )

    def card(self, name: str, network: str, image_size: int, channels: int = 3) -> ModelCard:
        """Write the card that the file lacks.

        Args:
            name: What to call the model.
            network: What made it.
            image_size: Height and width, once they are known.
            channels: That the network takes, 3 or 1.

        Returns:
            The card, without metrics, parity or probes: nothing is known of them.

        Raises:
            ConfigError: A normalisation of three channels for a network that takes one.
        """
        normalization = NORMALIZATIONS[self.normalize or "none"]
        if channels == 1:
            if len(set(normalization.mean)) > 1:
                raise ConfigError(
                    f"{name}: takes grey pictures, and --normalize {self.normalize} is for three "
                    "channels. Choose none, unit or tf."
                )
            normalization = Normalization(normalization.mean, normalization.std, "grey")
        return ModelCard(
            name, network, self.classes, image_size, self.resize, normalization=normalization
        )

    def warn_if_unsaid(self, name: str) -> None:
        """Tell that pixels go in as they are, where nobody said so."""
        if self.normalize is None:
            log.warning(
                "%s: --normalize was not given, so the network gets pixels from 0 to 255. If it "
                "was trained on others, its answers are wrong: say --normalize %s.",
                name,
                "|".join(NORMALIZE),
            )
