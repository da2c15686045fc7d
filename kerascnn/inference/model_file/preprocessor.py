"""Reads what Hugging Face's transformers and timm save beside a model.

Knows: ``preprocessor_config.json`` with the keys of ConvNeXt, EfficientNet and others, timm's
``pretrained_cfg``, and where the two files are. Does not know graphs.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kerascnn.card import ChannelOrder, Normalization
from kerascnn.errors import ONCE, ConfigError, ModelFileError
from kerascnn.files import read_text
from kerascnn.images import Resizing, Shape
from kerascnn.inference.model_file.foreign import NORMALIZATIONS, ForeignModel
from kerascnn.resizing import CROP_SHARE, FILTERS, Filter
from kerascnn.typed_json import parse_json

log = logging.getLogger(__name__)

NAME, MODEL = "preprocessor_config.json", "config.json"
"""Files beside a model: how pictures are prepared; the architecture, its class names, and in timm's
case both."""

_TIMM = "pretrained_cfg"
"""Key of timm's preprocessing, in either file."""

_FILTERS: dict[Any, Filter] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Filters by Pillow's numbers."""

_WHOLE_FROM = 384
"""Input size in pixels from which ConvNeXt squashes pictures instead of cropping them."""


def from_preprocessor(path: str | Path) -> ForeignModel:
    """Read how pictures are prepared for a model from the file beside it.

    Returns:
        Size, resizing and normalization; an empty description if there is no such file, or, with a
        warning, if it contains something that kerascnn does not support.
    """
    file = beside(path, NAME) or beside(path, MODEL)
    config = content(file)
    if file is None or (file.name == MODEL and _TIMM not in config):
        return ForeignModel()
    try:
        found = _of_timm(config[_TIMM]) if _TIMM in config else _of_transformers(config)
    except (ValueError, TypeError, KeyError, AttributeError, ConfigError) as error:
        log.warning(
            "%s: ignored, because it holds something that kerascnn does not support (%s). Set "
            "`resize`, `filter`, `mean` and `std` yourself.", file, error,
            extra=ONCE,
        )  # fmt: skip
        return ForeignModel()
    log.warning("%s: sets the resizing and normalization; options override them.", file, extra=ONCE)
    return found


def beside(path: str | Path, name: str) -> Path | None:
    """Find a file beside a model, or above the folder ``onnx``, where repositories have it."""
    folder = Path(path).absolute().parent
    places = [folder, folder.parent] if folder.name == "onnx" else [folder]
    return next((place / name for place in places if (place / name).is_file()), None)


def content(file: Path | None) -> dict[str, Any]:
    """Parse a file; return nothing if it is not an object, and thus of another program."""
    with suppress(ValueError, ModelFileError):
        config = parse_json(read_text(file)) if file else None
        if isinstance(config, dict):
            return config
    return {}


def _of_transformers(config: Mapping[str, Any]) -> ForeignModel:
    size, sizing = _sizing(config)
    return ForeignModel(image_size=size, sizing=sizing, normalization=_normalization(config))


def _of_timm(config: Mapping[str, Any]) -> ForeignModel:
    """Interpret ``pretrained_cfg`` as timm's ``resolve_data_config`` does, with its defaults."""
    _channels, height, width = config["input_size"]
    share, mode = config.get("crop_pct") or CROP_SHARE, config.get("crop_mode") or "center"
    filter_ = config.get("interpolation") or "bicubic"
    if filter_ not in FILTERS or mode not in ("center", "squash"):
        raise ValueError(f"interpolation {filter_}, crop_mode {mode}")
    if mode == "squash" and share != 1:
        raise ValueError("squashed, and then cropped")
    sizing = (
        Resizing("squash", filter_)
        if mode == "squash"
        else Resizing("crop", filter_, library="torchvision", crop_share=share)
    )
    usual = NORMALIZATIONS["torch"]
    mean, std = (
        [255 * one for one in _three(config[name])] if config.get(name) else default
        for name, default in (("mean", usual.mean), ("std", usual.std))
    )
    if min(std) <= 0:
        raise ValueError("a deviation that is not above 0")
    normalization = Normalization((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
    return ForeignModel((), (int(height), int(width)), sizing=sizing, normalization=normalization)


def _sizing(config: Mapping[str, Any]) -> tuple[Shape | None, Resizing | None]:
    if not config.get("do_resize", True):
        raise ValueError("do_resize is false")
    filter_ = _FILTERS.get(config.get("resample", 2))
    if filter_ is None:
        raise ValueError(f"resample {config['resample']}")
    size, share = config["size"], config.get("crop_pct")
    crop = _shape(config["crop_size"]) if config.get("do_center_crop") else None
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type"))
    if isinstance(size, int):
        by_edge = share or (crop and not _SQUARE.match(kind))
        size = {"shortest_edge": size} if by_edge else {"height": size, "width": size}
    if {"height", "width"} <= size.keys():
        whole = (int(size["height"]), int(size["width"]))
        return crop or whole, _squashed(whole, crop or whole, filter_)
    edge = int(size["shortest_edge"])
    return _by_edge(
        int(256 / 224 * edge) if kind.startswith("Levit") else edge, share, crop, filter_
    )


_SQUARE = re.compile("(DeiT|Beit|ViT|EfficientNet|Flava|Perceiver)(Image|Feature)")
"""Processors for which one number is the size of both sides, although they crop."""


def _squashed(whole: Shape, crop: Shape, filter_: Filter) -> Resizing:
    """Interpret a size of both sides, of which the center may be cropped."""
    share = _share(crop[0], whole[0])
    if crop[0] > whole[0] or crop[1] > whole[1] or int(crop[1] / share) != whole[1]:
        raise ValueError(f"size {whole} with crop_size {crop}")
    return Resizing("squash", filter_, library="transformers", crop_share=share)


def _share(part: int, whole: int) -> float:
    """Return part / whole, but so that int(part / share) is the whole again, despite rounding."""
    share = part / whole
    return share if int(part / share) == whole else math.nextafter(share, 0)


def _by_edge(
    edge: int, share: float | None, crop: Shape | None, filter_: Filter
) -> tuple[Shape, Resizing]:
    """Interpret a size that is given for the shorter side."""
    if share and edge >= _WHOLE_FROM and crop is None:
        return (edge, edge), Resizing("squash", filter_)
    if share:  # ConvNeXt, PoolFormer: resize to edge / share, then center crop
        crop = crop or (edge, edge)
        edge = int(edge / share)
    if crop is None or crop[0] != crop[1] or not 0 < crop[0] <= edge:
        raise ValueError(f"shortest_edge {edge} without a square part of it")
    share = _share(crop[0], edge)
    return crop, Resizing("crop", filter_, library="transformers", crop_share=share)


def _shape(size: int | Mapping[str, int]) -> Shape:
    return (size, size) if isinstance(size, int) else (int(size["height"]), int(size["width"]))


def _normalization(config: Mapping[str, Any]) -> Normalization:
    """Combine factor, offset, mean and standard deviation for pixels from 0 to 255."""
    factor = float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0
    own = config.get("do_normalize", False)
    mean, std = (
        (_three(config[name]) for name in ("image_mean", "image_std")) if own else (_ZEROS, _ONES)
    )
    if config.get("rescale_offset"):
        mean = [value + 1 for value in mean]
    if config.get("include_top"):  # EfficientNet divides by the deviations twice
        std = [value**2 for value in std]
    if min(factor, *std) <= 0:
        raise ValueError("a factor or deviation that is not above 0")
    order: ChannelOrder = "BGR" if config.get("do_flip_channel_order") else "RGB"
    red, green, blue = (value / factor for value in mean)
    return Normalization(
        (red, green, blue), (std[0] / factor, std[1] / factor, std[2] / factor), order
    )


_ZEROS, _ONES = [0.0] * 3, [1.0] * 3


def _three(values: Any) -> list[float]:
    values = [values] * 3 if isinstance(values, int | float) else values
    if len(values) != 3:
        raise ValueError(f"{len(values)} means or deviations")
    return [float(value) for value in values]
