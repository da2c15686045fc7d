"""Options and checks that several commands share.

Knows: Click. Does not know how the options are used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.declared_options import DeclaredType
from kerascnn.errors import ConfigError
from kerascnn.hub import fetch, is_on_hub
from kerascnn.inference.model_file.foreign import PictureSize
from kerascnn.language import tr

if TYPE_CHECKING:
    from kerascnn.card import Reduction


class SquareSize(DeclaredType):
    """``224``, or ``224x224``, because training supports square inputs only."""

    def __init__(self) -> None:
        super().__init__(PictureSize(expected="a number of pixels, e.g. 224"))

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Parse one number, or two equal ones."""
        size = super().convert(value, param, ctx)
        if isinstance(size, int):
            return size
        raise click.BadParameter(
            f"{size[0]}x{size[1]} is not square, and kerascnn trains on square pictures only. Give "
            f"one number, {max(size)}; --resize pad keeps long or wide pictures whole. A model "
            "made elsewhere may be of any shape: see kerascnn export.",
            ctx,
            param,
        )


split_option = click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which part of DATA to use.  [default: test, else val, else all]",
)


def download_models(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Callback of model parameters: downloads models from the Hub."""
    if isinstance(value, tuple):
        return tuple(download_models(ctx, parameter, one) for one in value)
    return value if ctx.resilient_parsing or value is None else download_if_remote(value)


def download_if_remote(model: str) -> str:
    """Return a model's path; one on the Hub (``hf://``, ``NAME=hf://``) is downloaded."""
    name, address = re.fullmatch(r"([^=/:]+=)?(.*)", model, re.DOTALL).groups("")  # type: ignore[union-attr]
    if not is_on_hub(address):
        return model
    found = fetch(address)
    click.echo(f"{address}: {found}", err=True)
    return f"{name}{found.path}"


def speedups(cost: Reduction) -> list[str]:
    """Describe the speedup of a lower precision, for each provider."""
    return [
        tr("{times} times ({name})", times=f"{times:.2f}", name=name)
        for name, times in cost.speedup.items()
    ]


def check_drawable(path: str) -> None:
    """Refuse an unknown figure format, before anything is computed.

    Raises:
        ConfigError: The path ends neither in .svg nor in .png.
    """
    if Path(path).suffix.lower() not in (".svg", ".png"):
        raise ConfigError(f"{path}: cannot be drawn. Expected a name that ends in .svg or .png.")


def check_data_is_there(*data: Any) -> None:
    """Check that DATA exists before Keras is loaded, which takes seconds; only text is a path.

    Raises:
        DataError: It does not exist.
    """
    from kerascnn.dataset import check_data_exists

    for one in data:
        if isinstance(one, str):
            check_data_exists(one)
