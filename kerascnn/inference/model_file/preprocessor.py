"""Reads ``preprocessor_config.json`` of Hugging Face's transformers beside a model.

Knows: its keys, including those of ConvNeXt, EfficientNet and others. Does not know graphs, or
class names (which are in ``config.json``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerascnn.card import ChannelOrder, Normalization
from kerascnn.errors import ConfigError
from kerascnn.files import read_text
from kerascnn.images import Resizing, Shape
from kerascnn.inference.model_file.foreign import ForeignModel
from kerascnn.resizing import Filter
from kerascnn.typed_json import parse_json

log = logging.getLogger(__name__)

NAME = "preprocessor_config.json"

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
    beside = Path(path).parent / NAME
    if not beside.is_file():
        return ForeignModel()
    try:
        config = parse_json(read_text(beside))
        size, sizing = _sizing(config)
        found = ForeignModel(image_size=size, sizing=sizing, normalization=_normalization(config))
    except (ValueError, TypeError, KeyError, AttributeError, ConfigError) as error:
        log.warning(
            "%s: ignored, because it holds something that kerascnn does not support (%s). Set "
            "`resize`, `filter`, `mean` and `std` yourself.", beside, error,
        )  # fmt: skip
        return ForeignModel()
    log.warning("%s: sets the resizing and normalization; options override them.", beside)
    return found


def _sizing(config: Mapping[str, Any]) -> tuple[Shape | None, Resizing | None]:
    if not config.get("do_resize", True):
        raise ValueError("do_resize is false")
    filter_ = _FILTERS.get(config.get("resample", 2))
    if filter_ is None:
        raise ValueError(f"resample {config['resample']}")
    size, share = config["size"], config.get("crop_pct")
    cropped = bool(config.get("do_center_crop"))
    if isinstance(size, int):
        size = {"shortest_edge": size} if cropped or share else {"height": size, "width": size}
    if {"height", "width"} <= size.keys():
        shape = (int(size["height"]), int(size["width"]))
        if cropped and _shape(config["crop_size"]) != shape:
            raise ValueError("squashed, and then cropped")
        return shape, Resizing("squash", filter_)
    return _by_edge(
        int(size["shortest_edge"]), share, config["crop_size"] if cropped else None, filter_
    )


def _by_edge(
    edge: int, share: float | None, crop_size: Any, filter_: Filter
) -> tuple[Shape, Resizing]:
    """Interpret a size that is given for the shorter side."""
    if share and edge >= _WHOLE_FROM:
        return (edge, edge), Resizing("squash", filter_)
    if share:  # ConvNeXt: resize to edge / share, then center crop
        return (edge, edge), Resizing("crop", filter_, library="torchvision", crop_share=share)
    shape = _shape(crop_size) if crop_size is not None else (0, 0)
    if shape[0] != shape[1] or not 0 < shape[0] <= edge:
        raise ValueError(f"shortest_edge {edge} without a square part of it")
    share = shape[0] / edge
    return shape, Resizing("crop", filter_, library="torchvision", crop_share=share)


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
