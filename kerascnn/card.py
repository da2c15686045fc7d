"""The model card: the metadata of a model file, to and from JSON.

Knows: the fields, their JSON, and what makes a card valid. Does not know onnx or Keras. An
``.onnx`` file contains the JSON under the metadata key ``kerascnn``, a run folder as ``card.json``.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from kerascnn.errors import ModelFileError
from kerascnn.resizing import RESIZE_RULES, Resize, ResizeRule, Resizing, Shape
from kerascnn.typed_json import build, parse_json

SCHEMA = 1
"""Schema version, increased when older versions of kerascnn would misread a new card."""

SCHEMA_WITH_SIZING = 2
"""Schema version of cards with ``sizing``, which readers of schema 1 would ignore. All others keep
schema 1."""

METADATA_KEY = "kerascnn"
"""Key of the card in the ``metadata_props`` of an ``.onnx`` file."""

_NEW_FIELDS = ("image_width", "sizing")
"""Fields that are left out of the JSON if they are None, so that older versions can read it."""

_NEEDED = ("normalization", "probes", "parity")
"""Fields with a default in Python that are required in JSON; without them a card is truncated."""

LARGEST_SIDE = 4096
"""Largest side of a model's input, in pixels, so that an edited card cannot exhaust the memory."""

PROBES = 2
"""Number of pictures that every provider is checked on."""

ChannelOrder = Literal["RGB", "BGR", "grey"]
Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Normalization:
    """Normalization of pixels before the network: ``(pixel - mean) / std`` per channel.

    Attributes:
        mean: Three numbers in pixel units, 0 to 255, in ``channel_order``.
        std: Three numbers in pixel units, in ``channel_order``.
        channel_order: Channel order of the network's input. ``grey``: a single gray channel,
            converted from RGB like in Pillow; then all means are equal, and all stds.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channel_order: ChannelOrder = "RGB"


@dataclass(frozen=True)
class Probe:
    """A generated picture with the probabilities that every provider must reproduce.

    Attributes:
        sha256: SHA-256 of the picture's uint8 ``[size, size, 3]`` values, in hexadecimal.
        probabilities: float32 ``[classes]``, output of onnxruntime's CPU provider at export.
    """

    sha256: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Parity:
    """Result of comparing the exported file with the Keras model.

    Attributes:
        images: Number of real pictures.
        max_abs_diff: Largest difference of any probability.
        top1_mismatches: Number of pictures with a different top-1 prediction.
        data: Name and split of the pictures.
    """

    images: int
    max_abs_diff: float
    top1_mismatches: int
    data: str


@dataclass(frozen=True)
class Reduction:
    """Accuracy lost and speed gained by a precision below float32, measured at export.

    Attributes:
        method: ``float16``, or the calibration method of int8.
        kept: Layers kept in float32.
        calibration: Name of the calibration data.
        calibration_images: Number of calibration pictures.
        top1_before: Top-1 accuracy in float32 on the pictures of ``parity``, 0 to 1.
        top1_after: Top-1 accuracy in this precision.
        bytes_before: Size of the float32 file.
        bytes_after: Size of this file.
        speedup: Throughput relative to the float32 file, by provider.
        machine: Processor on which the speedup was measured.
    """

    method: str
    kept: tuple[str, ...] = ()
    calibration: str = ""
    calibration_images: int = 0
    top1_before: float = 0.0
    top1_after: float = 0.0
    bytes_before: int = 0
    bytes_after: int = 0
    speedup: dict[str, float] = field(default_factory=dict)
    machine: str = ""

    @property
    def dropped(self) -> float:
        """Top-1 accuracy lost, in percentage points."""
        return 100 * (self.top1_before - self.top1_after)


@dataclass(frozen=True)
class ModelCard:
    """The contract between training and inference.

    Attributes:
        name: Name of the model.
        network: The architecture, e.g. ``cnn``.
        classes: Class names in the order of the outputs.
        image_size: Height and width of the input in pixels; if it is not square, the height.
        resize: ``squash``, ``crop`` or ``pad``; see :mod:`kerascnn.images`.
        normalization: Normalization of the pixels.
        temperature: Logits are divided by it before the softmax (Guo et al. 2017,
            https://arxiv.org/abs/1706.04599).
        precision: Precision of the exported weights: ``float32``, ``float16`` or ``int8``.
        metrics: Metrics by name.
        data: Training data: name, fingerprint, pictures per split, hashes of some pictures.
        versions: Versions of kerascnn and of the libraries that it was trained with.
        weights_sha256: SHA-256 of the values of the weights, in hexadecimal.
        probes: Generated pictures and their outputs, on which every provider is checked.
        parity: Comparison of the exported file with the Keras model; None before export.
        reduction: Cost and gain of a precision below float32; None for float32.
        schema: Schema version of this card.
        image_width: Width of the input if it is not square, else None.
        sizing: For a foreign model, resizing as in another library; None: ``resize`` applies.
            ``image_width`` and ``sizing`` are left out of the JSON if they are None.
    """

    name: str
    network: str
    classes: tuple[str, ...]
    image_size: int
    resize: Resize
    normalization: Normalization = Normalization()
    temperature: float = 1.0
    precision: Precision = "float32"
    metrics: dict[str, float] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    weights_sha256: str = ""
    probes: tuple[Probe, ...] = ()
    parity: Parity | None = None
    reduction: Reduction | None = None
    schema: int = SCHEMA
    image_width: int | None = None
    sizing: Resizing | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def shape(self) -> Shape:
        """Height and width of the input, in pixels."""
        return self.image_size, self.image_width or self.image_size

    @property
    def resize_rule(self) -> ResizeRule:
        """How pictures are resized, for :func:`kerascnn.images.size_picture`."""
        return self.sizing or self.resize

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        fields = asdict(self)
        fields["schema"] = SCHEMA_WITH_SIZING if self.sizing else SCHEMA
        return {k: v for k, v in fields.items() if v is not None or k not in _NEW_FIELDS}

    def to_json(self, indent: int | None = None) -> str:
        """Serialize the card as JSON.

        Args:
            indent: Spaces per level; None: everything in one line.

        Returns:
            JSON text; any Unicode is kept as it is.

        Examples:
            >>> card = ModelCard("pets", "cnn", ("고양이", "dog"), 32, "squash")
            >>> ModelCard.from_json(card.to_json()) == card
            True
        """
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, source: str = "card") -> ModelCard:
        """Parse a card; unknown fields are ignored. ``source`` is its origin, for messages.

        Raises:
            ModelFileError: Not JSON, an unknown schema, or a missing or invalid field.
        """
        fields = _fields(text, source)
        try:
            missing = [name for name in _NEEDED if name not in fields]
            if missing:
                raise ValueError(f"{missing[0]} is missing")
            return build(cls, fields | {"schema": SCHEMA})
        except ValueError as error:
            raise ModelFileError(
                f"{source}: the card is not valid ({error}). Export the model again."
            ) from error


def _fields(text: str, source: str) -> dict[str, Any]:
    try:
        fields = parse_json(text)
    except ValueError as error:
        raise ModelFileError(f"{source}: the card is not JSON ({error}).") from error
    if not isinstance(fields, dict):
        raise ModelFileError(f"{source}: the card is not a JSON object.")
    if fields.get("schema") not in (SCHEMA, SCHEMA_WITH_SIZING):
        raise ModelFileError(
            f"{source}: the card has schema {fields.get('schema')!r}, and this kerascnn reads "
            f"schema {SCHEMA} and {SCHEMA_WITH_SIZING}. Install the kerascnn that made the file, "
            "or export it again."
        )
    return fields


def _check(card: ModelCard) -> None:
    """Refuse invalid values; the only place that checks them."""
    width, sizing = card.image_width, card.sizing
    # fmt: off
    problems = {
        "classes must be at least one name, all text":
            not card.classes or not all(isinstance(name, str) for name in card.classes),
        "classes must differ": len(set(card.classes)) < len(card.classes),
        f"image_size must be a whole number from 1 to {LARGEST_SIDE:,}":
            not _is_side(card.image_size),
        f"image_width must be another whole number from 1 to {LARGEST_SIDE:,}, or nothing":
            width is not None and (not _is_side(width) or width == card.image_size),
        "an input that is not square must have its sizing": width is not None and sizing is None,
        "resize must be that of sizing": sizing is not None and sizing.resize != card.resize,
        "resize must be squash, crop or pad": card.resize not in RESIZE_RULES,
        "precision must be float32, float16 or int8": card.precision not in get_args(Precision),
        "temperature must be above 0": not _is_positive(card.temperature),
        "normalization must be three means and three positive stds, for RGB, BGR or (then equal) "
        "grey": not _is_sound(card.normalization),
        f"probes must be {PROBES} or none": len(card.probes) not in (0, PROBES),
        "every probe must have one probability a class":
            any(len(probe.probabilities) != len(card.classes) for probe in card.probes),
    }
    # fmt: on
    wrong = [problem for problem, found in problems.items() if found]
    if wrong:
        raise ValueError("; ".join(wrong))


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_SIDE


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_finite(value) and value > 0


def _is_sound(normalization: Normalization) -> bool:
    mean, std, order = normalization.mean, normalization.std, normalization.channel_order
    return (
        len(mean) == len(std) == 3
        and all(map(_is_finite, mean))
        and all(map(_is_positive, std))
        and order in get_args(ChannelOrder)
        and (order != "grey" or len(set(mean)) == len(set(std)) == 1)
    )
