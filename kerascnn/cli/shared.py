"""Options and checks that several commands share, word for word.

Knows: Click. Does not know what is done with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kerascnn.errors import ConfigError

image_size_option = click.option(
    "--image-size", type=int, help="Height and width in pixels.  [default: the model's]"
)

device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="gpu: fail, and say why, if there is none that can be used.",
)

split_option = click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which part of DATA.  [default: test, else val, else all]",
)


def check_drawable(path: str) -> None:
    """Refuse a figure of no known kind, before anything is computed.

    Args:
        path: Of the figure.

    Raises:
        ConfigError: Its name ends neither in .svg nor in .png.
    """
    if Path(path).suffix.lower() not in (".svg", ".png"):
        raise ConfigError(f"{path}: cannot be drawn. Expected a name that ends in .svg or .png.")


def check_data_is_there(*data: Any) -> None:
    """Tell of a mistyped DATA at once, before Keras is loaded, which takes some seconds.

    Args:
        data: As typed; what is not text (no data, or a share) is passed over.

    Raises:
        DataError: There is nothing of that name.
    """
    from kerascnn.dataset import require_data

    for one in data:
        if isinstance(one, str):
            require_data(one)
