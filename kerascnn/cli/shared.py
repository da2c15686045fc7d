"""Options, shell completion and checks that several commands share.

Knows: Click, the table of network facts, which needs no Keras. Does not know how options are used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import add_options, tell
from kerascnn.cli.declared_options import DeclaredType
from kerascnn.errors import ConfigError
from kerascnn.hub import fetch, is_on_hub
from kerascnn.inference.model_file.foreign import PictureSize
from kerascnn.inference.runtime.providers import ARITHMETICS, PROVIDERS
from kerascnn.language import tr

if TYPE_CHECKING:
    from kerascnn.card import Reduction
    from kerascnn.inference import Classifier


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


numeric_options = add_options(
    click.option(
        "--provider",
        type=click.Choice(["auto", *PROVIDERS]),
        default="auto",
        help="Execution provider. auto: the fastest found by `kerascnn bench --save`, else cpu.",
    ),
    click.option(
        "--arithmetic",
        type=click.Choice(ARITHMETICS),
        default="exact",
        help="exact: float32. fast: the provider's bfloat16, TF32 or float16; some predictions "
        "change.",
    ),
)
"""Add ``--provider`` and ``--arithmetic`` to a command."""

provider_options = add_options(
    numeric_options,
    click.option(
        "--threads",
        type=int,
        help="Threads for each inference, and in `predict` for reading pictures.  "
        "[default: the available processors; 1 for very small networks]",
    ),
)
"""Add ``--provider``, ``--arithmetic`` and ``--threads`` to a command."""

RUNTIME = ("provider", "arithmetic", "threads")
"""Parameter names of these options."""


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


def announce(classifier: Classifier) -> None:
    """Print to stderr the provider in use, its arithmetic, and the reason."""
    provider = classifier.provider
    tell(
        "provider: {provider}, arithmetic {arithmetic} ({why})",
        provider=provider,
        arithmetic=classifier.arithmetic,
        why=provider.why,
        err=True,
    )


def complete_networks(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """Return the networks whose names start with the typed text."""
    from kerascnn.training.networks.facts import load_facts

    return [name for name in load_facts() if name.startswith(typed)]


def complete_scopes(context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """Complete ``--trainable``: the last item of its list, for the network given before it."""
    from kerascnn.training.networks.facts import load_facts

    facts = load_facts()
    # While a value is still missing, Click leaves arguments unparsed.
    named = [context.params.get("model"), *context.args]
    blocks = next((facts[name]["blocks"] for name in named if name in facts), [])
    *listed, _ = typed.split(",")
    found = [",".join([*listed, block]) for block in blocks if block not in listed]
    if not listed:
        found += ["all", "head", "auto", *(f"from:{block}" for block in blocks)]
    return [name for name in dict.fromkeys(found) if name.startswith(typed)]
