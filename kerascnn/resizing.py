"""Resizing methods of other libraries: options, presets and descriptions.

Knows: the fields, their valid combinations, and the presets. Does not know pixels:
:mod:`kerascnn.images` does the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from kerascnn.errors import ConfigError
from kerascnn.language import Sentence, sentence
from kerascnn.option_kinds import Choice, Flag, Number
from kerascnn.options import option, read_all

Resize = Literal["squash", "crop", "pad"]
RESIZE_RULES: tuple[Resize, ...] = get_args(Resize)

Filter = Literal["bilinear", "bicubic", "lanczos", "nearest"]
FILTERS: tuple[Filter, ...] = get_args(Filter)

Library = Literal["pillow", "torchvision", "transformers", "fastai", "keras", "ultralytics"]
LIBRARIES: tuple[Library, ...] = get_args(Library)

Shape: TypeAlias = tuple[int, int]
"""Height and width of a model's input, in pixels."""


HEADING = "For a model that kerascnn did not export"
"""Heading of the options that describe a foreign model."""


@dataclass(frozen=True)
class Color:
    """A color: a name, ``#rrggbb``, a gray level, or red, green and blue."""

    expected: str = "white, 114, 255,0,0 or #ff0000"
    metavar: str = "COLOR"
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> tuple[int, int, int]:
        """Parse text, one level from 0 to 255, or three."""
        parts = list(value) if isinstance(value, list | tuple) else str(value).split(",")
        if all(str(part).strip().isdecimal() for part in parts):
            levels = [int(part) for part in parts] * (3 if len(parts) == 1 else 1)
            if len(levels) == 3 and max(levels) <= 255:
                return levels[0], levels[1], levels[2]
        from PIL import ImageColor

        red, green, blue = ImageColor.getrgb(str(value))[:3]
        return red, green, blue


@dataclass(frozen=True)
class Resizing:
    """How pictures are resized for a foreign model.

    Attributes:
        antialias: True: as in Pillow, whose filter widens for downscaling; False: as in
            TensorFlow's ``tf.image.resize``, whose filter does not.
        library: Library whose rounding ``crop`` follows: ``torchvision`` resizes, then crops
            (``Resize``, ``CenterCrop``); ``transformers`` too, but half a pixel of the position is
            dropped, not rounded; ``pillow`` crops by fractions (``ImageOps.fit``);
            ``fastai`` and ``keras`` (``crop_to_aspect_ratio``) crop whole pixels, then resize;
            ``ultralytics``: see :meth:`for_shape`.
        enlarge: For ``pad``: whether small pictures are enlarged, as in ``ImageOps.pad``.

    Raises:
        ConfigError: An unknown value, or values that conflict.
    """

    # fmt: off
    resize: Resize = option("squash", Choice(RESIZE_RULES),
        "How pictures are resized. crop: the central 0.875 of the shorter side (`crop_share` 1: "
        "all of it).", HEADING, without="squash")
    filter: Filter = option("bilinear", Choice(FILTERS), "Interpolation.", HEADING)
    antialias: bool = option(True, Flag(),
        "Antialiasing, as in Pillow, or none, as in tf.image.resize.", HEADING,
        without="`antialias`")
    library: Library = "pillow"
    crop_share: float = option(1.0,
        Number(float, lambda share: 0 < share <= 1, "above 0 and at most 1", "SHARE"),
        "Share of the shorter side that `resize` crop keeps (crop_pct).", HEADING, without="0.875")
    pad_color: tuple[int, int, int] = option((0, 0, 0), Color(),
        "Color for `resize` pad: white, 114, R,G,B or #rrggbb.", HEADING, without="black")
    enlarge: bool = option(False, Flag(both=True),
        "For `resize` pad: enlarge small pictures.", HEADING)
    # fmt: on

    def __post_init__(self) -> None:
        read_all(self)
        _check_choice("library", self.library, LIBRARIES)
        for word, given, rule in (
            ("crop_share", self.crop_share != 1, "crop"),
            ("pad_color", any(self.pad_color), "pad"),
            ("enlarge", self.enlarge, "pad"),
        ):
            squashed_first = word == "crop_share" and self.library == "transformers"  # DeiT
            if given and self.resize != rule and not squashed_first:
                raise ConfigError(f"`{word}` is for `resize` {rule}, not for {self.resize}.")
        if self.crop_share != 1 and self.library in ("fastai", "keras"):
            raise ConfigError(
                f"`crop_share` {self.crop_share}: {self.library} uses the whole shorter side. "
                "Leave out `crop_share`, or `like`."
            )
        if self.resize == "pad" and self.library == "keras":
            raise ConfigError(
                "keras pads before it resizes (pad_to_aspect_ratio), which kerascnn does not do. "
                "Leave out `like` keras, or choose `resize` squash or crop."
            )

    def for_shape(self, shape: Shape) -> Resizing:
        """Return the rule for an input shape: ultralytics squashes if it is not square.

        Returns:
            A rule without ``ultralytics``, whose crop is torchvision's.
        """
        if self.library != "ultralytics":
            return self
        if self.resize == "crop" and shape[0] != shape[1]:
            return replace(self, resize="squash", crop_share=1.0, library="torchvision")
        return replace(self, library="torchvision")

    def words(self, shape: Shape) -> Sentence:
        """Describe how a picture is resized."""
        smooth = "{how}, {filter} with antialias (Pillow)"
        rough = "{how}, {filter} without antialias (TensorFlow)"
        kind = smooth if self.antialias else rough
        if self.filter == "nearest":
            kind = "{how}, {filter}"
        return sentence(kind, how=self._how(f"{shape[0]} x {shape[1]}"), filter=self.filter)

    def _how(self, size: str) -> Sentence:
        if self.resize == "squash" and self.crop_share != 1:
            return sentence(
                "squashed, and center-cropped to {size} ({share} of each side)",
                size=size,
                share=f"{self.crop_share:g}",
            )
        if self.resize == "squash":
            return sentence("squashed to {size}", size=size)
        if self.resize == "crop":
            return sentence(
                "center-cropped to {size} ({share} of the shorter side, as {library} does)",
                size=size,
                share=sentence("all") if self.crop_share == 1 else f"{self.crop_share:g}",
                library=self.library,
            )
        enlarged = "padded to {size} with {color}, small ones enlarged"
        kept = "padded to {size} with {color}, none enlarged"
        how = enlarged if self.enlarge else kept
        return sentence(how, size=size, color=self.pad_color)


def _check_choice(name: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        raise ConfigError(f"`{name}` {value!r} is not known. Choose one of: {', '.join(values)}.")


ResizeRule: TypeAlias = Resize | Resizing
"""One of kerascnn's own rules (:mod:`kerascnn.images.resizing`), or that of another library."""


@dataclass(frozen=True)
class Preset:
    """Preprocessing of a library.

    Attributes:
        normalize: Normalization of pixels; None: usually done by the model itself.
    """

    sizing: Resizing
    normalize: Literal["unit", "tf", "torch"] | None


PRESETS: dict[str, Preset] = {
    "keras": Preset(Resizing(antialias=False, library="keras"), None),
    "load_img": Preset(Resizing(filter="nearest", library="keras"), None),
    "torchvision": Preset(Resizing("crop", library="torchvision", crop_share=0.875), "torch"),
    "timm": Preset(Resizing("crop", "bicubic", library="torchvision", crop_share=0.875), "torch"),
    "ultralytics": Preset(Resizing("crop", library="ultralytics"), "unit"),
    "teachable-machine": Preset(Resizing("crop", "lanczos"), "tf"),
    "fastai": Preset(Resizing("crop", library="fastai"), "torch"),
}
"""Presets by name, each with the library's defaults. ``keras``: ``image_dataset_from_directory``;
``load_img``: ``keras.utils.load_img`` and ``ImageDataGenerator``; ``torchvision``: ``Resize(256)``,
``CenterCrop(224)``; ``timm``: the same, bicubic; ``ultralytics``: YOLO-cls; ``teachable-machine``:
``ImageOps.fit`` with Lanczos; ``fastai``: ``Resize(size)``."""


CROP_SHARE = 0.875
"""Default share of a crop: 224 of 256."""


def choose(
    like: str | None = None,
    resize: Resize | None = None,
    filter: Filter | None = None,
    antialias: bool | None = None,
    crop_share: float | None = None,
    pad_color: tuple[int, int, int] | None = None,
    enlarge: bool | None = None,
) -> Resizing:
    """Combine the options of resizing.

    Args:
        like: A preset, which the other options override.
        resize: Method; None: the preset's, or the one that other options imply, else ``squash``.
        filter: Interpolation; None: the preset's, or ``bilinear``.
        antialias: Antialiasing; None: the preset's, or as in Pillow.
        crop_share: Share of a crop; None: the preset's, or 0.875 without one.
        pad_color: Color of padding; None: the preset's, or black.
        enlarge: Whether padding enlarges small pictures; None: no.

    Raises:
        ConfigError: An unknown value, or values that conflict.

    Examples:
        >>> choose(crop_share=1.0).resize
        'crop'
    """
    _check_choice("like", like or "keras", tuple(PRESETS))
    preset = PRESETS[like].sizing if like else None
    padded = pad_color is not None or enlarge is not None
    implied: Resize = "crop" if crop_share is not None else "pad" if padded else "squash"
    rule: Resize = resize or (preset.resize if preset and implied == "squash" else implied)
    start = preset or Resizing(library="torchvision" if rule == "crop" else "pillow")
    if start.resize != rule:
        start = replace(start, resize=rule, crop_share=1.0)
    share = CROP_SHARE if rule == "crop" and not preset else start.crop_share
    return replace(
        start,
        filter=filter or start.filter,
        antialias=start.antialias if antialias is None else antialias,
        crop_share=share if crop_share is None else crop_share,
        pad_color=pad_color or start.pad_color,
        enlarge=bool(enlarge),
    )
