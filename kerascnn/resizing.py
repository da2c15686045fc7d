"""Resizing methods of other libraries: options, presets and descriptions.

Knows: the fields, their valid combinations, and the presets. Does not know pixels:
:mod:`kerascnn.images` does the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from kerascnn.errors import ConfigError
from kerascnn.language import Sentence, sentence

Resize = Literal["squash", "crop", "pad"]
RESIZE_RULES: tuple[Resize, ...] = get_args(Resize)

Filter = Literal["bilinear", "bicubic", "lanczos", "nearest"]
FILTERS: tuple[Filter, ...] = get_args(Filter)

Library = Literal["pillow", "torchvision", "fastai", "keras", "ultralytics"]
LIBRARIES: tuple[Library, ...] = get_args(Library)

Shape: TypeAlias = tuple[int, int]
"""Height and width of a model's input, in pixels."""


def _known(name: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        raise ConfigError(f"`{name}` {value!r} is not known. Choose one of: {', '.join(values)}.")


@dataclass(frozen=True)
class Resizing:
    """How pictures are resized for a foreign model.

    Attributes:
        resize: ``squash`` to the size, ``crop`` the center, or ``pad`` the rest.
        filter: Interpolation.
        antialias: True: as in Pillow, whose filter widens for downscaling; False: as in
            TensorFlow's ``tf.image.resize``, whose filter does not.
        library: Library whose rounding ``crop`` follows: ``torchvision`` resizes, then crops
            (``Resize``, ``CenterCrop``); ``pillow`` crops by fractions (``ImageOps.fit``);
            ``fastai`` and ``keras`` (``crop_to_aspect_ratio``) crop whole pixels, then resize;
            ``ultralytics``: see :meth:`for_shape`.
        crop_share: For ``crop``: share of the shorter side that is used, above 0, up to 1.
        pad_color: For ``pad``: RGB, 0 to 255.
        enlarge: For ``pad``: whether small pictures are enlarged, as in ``ImageOps.pad``.

    Raises:
        ConfigError: An unknown value, or values that conflict.
    """

    resize: Resize = "squash"
    filter: Filter = "bilinear"
    antialias: bool = True
    library: Library = "pillow"
    crop_share: float = 1.0
    pad_color: tuple[int, int, int] = (0, 0, 0)
    enlarge: bool = False

    def __post_init__(self) -> None:
        _known("resize", self.resize, RESIZE_RULES)
        _known("filter", self.filter, FILTERS)
        _known("library", self.library, LIBRARIES)
        if not 0 < self.crop_share <= 1:
            raise ConfigError(f"`crop_share` {self.crop_share}; expected above 0 and up to 1.")
        colors = [value for value in self.pad_color if type(value) is int and 0 <= value <= 255]
        if len(colors) != 3 or len(self.pad_color) != 3:
            raise ConfigError(f"`pad_color` {self.pad_color}; expected three of 0 to 255.")
        for word, given, rule in (
            ("crop_share", self.crop_share != 1, "crop"),
            ("pad_color", any(self.pad_color), "pad"),
            ("enlarge", self.enlarge, "pad"),
        ):
            if given and self.resize != rule:
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
        return sentence(kind, how=self._how(f"{shape[0]} x {shape[1]}"), filter=self.filter)

    def _how(self, size: str) -> Sentence:
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


ResizeRule: TypeAlias = Resize | Resizing
"""One of kerascnn's own rules (:mod:`kerascnn.images.resizing`), or that of another library."""


@dataclass(frozen=True)
class Preset:
    """Preprocessing of a library.

    Attributes:
        sizing: How pictures are resized.
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
    _known("like", like or "keras", tuple(PRESETS))
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
