"""The options that speak for a model which was made elsewhere.

Knows: Click. Does not know what is done with what was said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kerascnn.errors import ConfigError

if TYPE_CHECKING:
    from kerascnn.inference import Foreign

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--labels",
        metavar="FILE",
        help="Of a model made elsewhere: its class names, one a line, in the order of its outputs.",
    ),
    click.option(
        "--image-size",
        type=click.IntRange(1),
        metavar="PIXELS",
        help="Of a model made elsewhere: height and width.  [default: as the file fixes them]",
    ),
    click.option(
        "--normalize",
        type=click.Choice(["none", "unit", "tf", "torch", "caffe"]),
        help="Of a model made elsewhere: the pixels that it was trained on: 0 to 255, 0 to 1, -1 "
        "to 1, less ImageNet's mean and by its deviation, or BGR less that mean.  [default: none]",
    ),
    click.option(
        "--resize",
        type=click.Choice(["squash", "crop", "pad"]),
        help="Of a model made elsewhere: how pictures get its size.  [default: squash]",
    ),
)


def foreign_options(command: F) -> F:
    """Add ``--labels``, ``--image-size``, ``--normalize`` and ``--resize`` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def said(labels: str | None, image_size: int | None, normalize: Any, resize: Any) -> Foreign | None:
    """Put together what was said about a model that was made elsewhere.

    Args:
        labels: File of class names.
        image_size: In pixels.
        normalize: ``none``, ``unit``, ``tf``, ``torch`` or ``caffe``.
        resize: ``squash``, ``crop`` or ``pad``.

    Returns:
        It, or None where nothing was said.

    Raises:
        ConfigError: The class names are missing.
        DataError: The file of class names cannot be used.
    """
    from kerascnn.inference import Foreign, read_labels

    if labels is None:
        if image_size or normalize or resize:
            raise ConfigError(
                "--image-size, --normalize and --resize speak for a model that was made elsewhere, "
                "and --labels FILE is missing: its class names, one a line, in the order of its "
                "outputs. A model of kerascnn needs none of them."
            )
        return None
    return Foreign(read_labels(labels), image_size, normalize, resize or "squash")
