"""The options that describe a foreign model.

Knows: Click. Does not know how the description is used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import add_options
from kerascnn.cli.shown_errors import as_options
from kerascnn.errors import ConfigError
from kerascnn.language import tr
from kerascnn.resizing import PRESETS, choose

if TYPE_CHECKING:
    from kerascnn.card import ModelCard
    from kerascnn.inference import ForeignModel


class ImageSize(click.ParamType):  # type: ignore[type-arg] # older versions take none
    """``224``, or ``48x192``: height and width."""

    name = "pixels"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | tuple[int, int]:
        """Parse one number or two."""
        numbers = str(value).lower().split("x") if not isinstance(value, tuple) else list(value)
        if len(numbers) <= 2 and all(str(one).isdecimal() and int(one) for one in numbers):
            sides = [int(one) for one in numbers]
            return sides[0] if sides[0] == sides[-1] else (sides[0], sides[1])
        raise click.BadParameter(
            f"{value!r}; expected 224, or height and width, 48x192.", ctx, param
        )


class Numbers(click.ParamType):  # type: ignore[type-arg] # older versions take none
    """One number for all channels, or three: ``R,G,B``."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """Parse the numbers."""
        try:
            numbers = tuple(float(one) for one in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r}; expected one number, or three: R,G,B.", param, ctx)
        return numbers


class Color(click.ParamType):  # type: ignore[type-arg] # older versions take none
    """A name, ``#rrggbb``, a gray level or ``R,G,B``."""

    name = "color"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int, int]:
        """Parse the color."""
        from PIL import ImageColor

        parts = str(value).split(",")
        if len(parts) in (1, 3) and all(part.strip().isdecimal() for part in parts):
            levels = [int(part) for part in parts] * (3 // len(parts))
            if max(levels) <= 255:
                return levels[0], levels[1], levels[2]
        try:
            red, green, blue = ImageColor.getrgb(str(value))[:3]
        except ValueError:
            self.fail(f"{value!r}; expected white, 114, 255,0,0 or #ff0000.", param, ctx)
        return red, green, blue


foreign_options = add_options(
    click.option(
        "--labels",
        metavar="FILE",
        help="Class names, one per line, in the order of the outputs.",
    ),
    click.option(
        "--image-size",
        type=ImageSize(),
        metavar="PIXELS|HxW",
        help="Input size, 224 or 48x192 (height x width).  [default: the size fixed in the file]",
    ),
    click.option(
        "--like",
        type=click.Choice(list(PRESETS)),
        help="Resize and normalize as this library does by default; the options below override "
        "parts of it.",
    ),
    click.option(
        "--normalize",
        type=click.Choice(["none", "unit", "tf", "torch", "caffe"]),
        help="Pixel values it was trained on: 0 to 255 (none), 0 to 1 (unit), -1 to 1 (tf), "
        "standardized with ImageNet's mean and standard deviation (torch), or BGR minus that mean "
        "(caffe).  [default: none]",
    ),
    click.option(
        "--mean",
        type=Numbers(),
        metavar="R,G,B",
        help="Channel means, instead of --normalize, for pixels from 0 to 1 (0 to 255 if any "
        "number here or in --std is above 1; --normalize unit or none decides).",
    ),
    click.option(
        "--std",
        type=Numbers(),
        metavar="R,G,B",
        help="Standard deviations, on the scale of --mean.",
    ),
    click.option(
        "--resize",
        type=click.Choice(["squash", "crop", "pad"]),
        help="How pictures are resized. crop: the central 0.875 of the shorter side (--crop-share "
        "1: all of it).  [default: squash]",
    ),
    click.option(
        "--filter",
        "filter",
        type=click.Choice(["bilinear", "bicubic", "lanczos", "nearest"]),
        help="Interpolation.  [default: bilinear]",
    ),
    click.option(
        "--antialias/--no-antialias",
        "antialias",
        default=None,
        help="Antialiasing, as in Pillow, or none, as in tf.image.resize.  [default: --antialias]",
    ),
    click.option(
        "--crop-share",
        type=float,
        metavar="SHARE",
        help="Share of the shorter side that --resize crop keeps (crop_pct).  [default: 0.875]",
    ),
    click.option(
        "--pad-color",
        type=Color(),
        metavar="COLOR",
        help="Color for --resize pad: white, 114, R,G,B or #rrggbb.  [default: black]",
    ),
    click.option(
        "--enlarge/--no-enlarge",
        default=None,
        help="For --resize pad: enlarge small pictures.",
    ),
    click.option(
        "--outputs",
        type=click.Choice(["logits", "probabilities"]),
        help="What the outputs are.  [default: detected]",
    ),
    click.option(
        "--output",
        metavar="NAME",
        help="Which of several outputs holds the predictions.",
    ),
)
"""Add the options that describe a foreign model."""
FOREIGN = (
    *("labels", "image_size", "like", "normalize", "mean", "std", "resize"),
    *("filter", "antialias", "crop_share", "pad_color", "enlarge", "outputs", "output"),
)
"""Parameter names of these options."""

HEADING = {"For a model that kerascnn did not export": FOREIGN}
"""Heading of these options in ``--help``."""


def announce_sizing(card: ModelCard) -> None:
    """Print to stderr how pictures are resized for a foreign model."""
    from kerascnn.inference.model_file.foreign_notices import sizing_notice

    click.echo(as_options(tr(sizing_notice(card))), err=True)


def labels_missing(model: str) -> ConfigError:
    """Return the error for a foreign model without class names."""
    return ConfigError(
        f"{model}: was made elsewhere, so --labels FILE is missing: its class names, one per "
        "line, in the order of its outputs. --normalize and --image-size may be needed too."
    )


def pop_foreign(options: dict[str, Any]) -> ForeignModel | None:
    """Remove the options of :func:`foreign_options` from a command's, and combine them."""
    return foreign_from_options(**{name: options.pop(name) for name in FOREIGN})


def foreign_from_options(
    labels: str | None,
    image_size: int | tuple[int, int] | None,
    normalize: Any,
    resize: Any,
    like: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    outputs: Any = None,
    output: str | None = None,
    **sizing: Any,
) -> ForeignModel | None:
    """Combine the options that describe a foreign model.

    Raises:
        ConfigError: An option is invalid, or conflicts with another.
        DataError: The file of class names cannot be used.
    """
    from kerascnn.inference import ForeignModel, read_labels
    from kerascnn.inference.model_file.foreign_notices import own_normalization

    own = mean is not None or std is not None
    detailed = like is not None or any(value is not None for value in sizing.values())
    if not (own or detailed or any((labels, image_size, normalize, resize, outputs, output))):
        return None
    return ForeignModel(
        () if labels is None else read_labels(labels),
        image_size,
        normalize or (PRESETS[like].normalize if like and not own else None),
        resize,
        outputs,
        output,
        choose(like, resize, **sizing) if detailed else None,
        own_normalization(mean, std, normalize) if own else None,
    )
