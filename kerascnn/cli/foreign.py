"""The options that speak for a model which was made elsewhere.

Knows: Click. Does not know what is done with what was said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

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
    click.option(
        "--outputs",
        type=click.Choice(["logits", "probabilities"]),
        help="Of a model made elsewhere: what its numbers are.  [default: as is found out]",
    ),
    click.option(
        "--output",
        metavar="NAME",
        help="Of a model made elsewhere with several outputs: the one that holds the answers.",
    ),
)
FOREIGN = ("labels", "image_size", "normalize", "resize", "outputs", "output")
"""The options by the names of their parameters."""


def foreign_options(command: F) -> F:
    """Add the options of :data:`FOREIGN` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def said(
    labels: str | None,
    image_size: int | None,
    normalize: Any,
    resize: Any,
    outputs: Any = None,
    output: str | None = None,
) -> Foreign | None:
    """Put together what was said about a model that was made elsewhere.

    Args:
        labels: File of class names; None: the model's file may have them.
        image_size: In pixels.
        normalize: ``none``, ``unit``, ``tf``, ``torch`` or ``caffe``.
        resize: ``squash``, ``crop`` or ``pad``.
        outputs: ``logits`` or ``probabilities``.
        output: Name of the output that holds the answers.

    Returns:
        It, or None where nothing was said.

    Raises:
        ConfigError: Something of it cannot be.
        DataError: The file of class names cannot be used.
    """
    from kerascnn.inference import Foreign, read_labels

    if not any((labels, image_size, normalize, resize, outputs, output)):
        return None
    names = () if labels is None else read_labels(labels)
    return Foreign(names, image_size, normalize, resize or "squash", outputs, output)
