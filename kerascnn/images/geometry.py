"""Geometry of resizing in other libraries: which part of a picture maps to which part of the input.

Knows: their rounding. Does not know filters, or kerascnn's own rules
(:mod:`kerascnn.images.resizing`). ``kerascnn.training.export.geometry`` builds the same into the
exported graph.

For a picture of height h and width w, and an input of H x W (``int`` rounds down, ``round`` to the
nearest, halves to even; everything else is computed in double precision):

* ``squash``: the whole picture becomes H x W.
* ``crop``, torchvision: square: the shorter side becomes S = int(H / share), the longer
  int(S * longer / shorter); else, as timm does, both sides are divided by
  min(h / int(H / share), w / int(W / share)) and rounded. The center crop starts at
  round((side - wanted) / 2); for transformers, at int of it, and ``squash`` may crop so, too: the
  whole picture becomes int(H / share) x int(W / share) first.
* ``crop``, pillow: ``ImageOps.fit`` with ``bleed`` = (1 - share) / 2, a box with fractions.
* ``crop``, fastai: m = min(w / W, h / H); int(m * W) x int(m * H) pixels from
  int((side - that) / 2), then resized.
* ``crop``, keras: min(h, int(w * H / W)) x min(w, int(h * W / H)) pixels from half of the
  remainder, rounded down; without antialias cropped, then resized (``smart_resize``); with it,
  resized from a box like in Pillow (``load_img``), whose edges also use pixels outside the box.
* ``pad``: ``ImageOps.pad``; without ``enlarge``, a picture that fits keeps its size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kerascnn.resizing import Resizing, Shape


@dataclass(frozen=True)
class Side:
    """How one side of a picture is resized.

    Attributes:
        first: First pixel that is used.
        last: One past the last pixel that is used.
        start: Start of the resized part, in pixels from ``first``.
        stop: Its end, in pixels from ``first``.
        length: Length after resizing, in pixels.
        skip: Number of these to skip at the start.
        count: Number to keep after that.
        offset: Their position in the input.
    """

    first: int
    last: int
    start: float
    stop: float
    length: int
    skip: int
    count: int
    offset: int


def sides(height: int, width: int, shape: Shape, sizing: Resizing) -> tuple[Side, Side]:
    """Compute how a picture of any size becomes a model's input.

    Examples:
        >>> rule = Resizing("crop", library="torchvision", crop_share=0.875)
        >>> sides(300, 400, (224, 224), rule)[1]
        Side(first=0, last=400, start=0.0, stop=400.0, length=341, skip=58, count=224, offset=0)
    """
    sizing = sizing.for_shape(shape)
    if sizing.resize == "squash":
        share = sizing.crop_share
        return _squashed(height, shape[0], share), _squashed(width, shape[1], share)
    if sizing.resize == "pad":
        return _padded(height, width, shape, sizing.enlarge)
    if sizing.library in ("torchvision", "transformers"):
        middle = round if sizing.library == "torchvision" else int
        return _sized_first(height, width, shape, sizing.crop_share, middle)
    if sizing.library == "pillow":
        return _fitted(height, width, shape, sizing.crop_share)
    return _cut_first(height, width, shape, sizing)


def _squashed(length: int, wanted: int, share: float) -> Side:
    whole = int(wanted / share)
    return Side(0, length, 0.0, float(length), whole, (whole - wanted) // 2, wanted, 0)


def _sized_first(
    height: int, width: int, shape: Shape, share: float, middle: Callable[[float], int]
) -> tuple[Side, Side]:
    rows, columns = (int(wanted / share) for wanted in shape)
    if shape[0] == shape[1]:
        short = min(height, width)
        lengths = [int(rows * side / short) for side in (height, width)]
    else:
        ratio = min(height / rows, width / columns)
        lengths = [round(side / ratio) for side in (height, width)]
    vertical, horizontal = (
        Side(0, side, 0.0, float(side), length, middle((length - wanted) / 2), wanted, 0)
        for side, length, wanted in zip((height, width), lengths, shape, strict=True)
    )
    return vertical, horizontal


def _fitted(height: int, width: int, shape: Shape, share: float) -> tuple[Side, Side]:
    bleed = (1 - share) / 2
    edge = (bleed * height, bleed * width)
    live = (height - edge[0] * 2, width - edge[1] * 2)
    ratio, wanted = live[1] / live[0], shape[1] / shape[0]
    used = live
    if ratio > wanted:
        used = (live[0], wanted * live[0])
    elif ratio < wanted:
        used = (live[1] / wanted, live[1])
    starts = [edge[i] + (live[i] - used[i]) * 0.5 for i in (0, 1)]
    vertical, horizontal = (
        Side(0, side, starts[i], starts[i] + used[i], shape[i], 0, shape[i], 0)
        for i, side in enumerate((height, width))
    )
    return vertical, horizontal


def _cut_first(height: int, width: int, shape: Shape, sizing: Resizing) -> tuple[Side, Side]:
    if sizing.library == "fastai":
        times = min(width / shape[1], height / shape[0])
        cuts = [max(1, int(times * wanted)) for wanted in shape]
    else:
        cuts = [
            min(height, width * shape[0] // shape[1]),
            min(width, height * shape[1] // shape[0]),
        ]
        cuts = [max(1, cut) for cut in cuts]
    box = sizing.library == "keras" and sizing.antialias
    vertical, horizontal = (
        _middle(side, cut, wanted, box)
        for side, cut, wanted in zip((height, width), cuts, shape, strict=True)
    )
    return vertical, horizontal


def _middle(side: int, cut: int, wanted: int, box: bool) -> Side:
    first = (side - cut) // 2
    if box:
        return Side(0, side, float(first), float(first + cut), wanted, 0, wanted, 0)
    return Side(first, first + cut, 0.0, float(cut), wanted, 0, wanted, 0)


def _padded(height: int, width: int, shape: Shape, enlarge: bool) -> tuple[Side, Side]:
    if not enlarge and height <= shape[0] and width <= shape[1]:
        lengths = [height, width]
    elif width / height > shape[1] / shape[0]:
        lengths = [max(1, round(height / width * shape[1])), shape[1]]
    elif width / height < shape[1] / shape[0]:
        lengths = [shape[0], max(1, round(width / height * shape[0]))]
    else:
        lengths = list(shape)
    vertical, horizontal = (
        Side(0, side, 0.0, float(side), length, 0, length, round((wanted - length) / 2))
        for side, length, wanted in zip((height, width), lengths, shape, strict=True)
    )
    return vertical, horizontal
