"""The options of every command that runs an exported file, and the message about the provider.

Knows: Click. Does not know how a provider is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kerascnn.cli.base import add_options, tell
from kerascnn.inference.runtime.providers import ARITHMETICS, PROVIDERS

if TYPE_CHECKING:
    from kerascnn.inference import Classifier

numeric_options = add_options(
    click.option(
        "--provider",
        type=click.Choice(["auto", *PROVIDERS]),
        default="auto",
        show_default=True,
        help="Execution provider. auto: the fastest found by `kerascnn bench --save`, else cpu.",
    ),
    click.option(
        "--arithmetic",
        type=click.Choice(ARITHMETICS),
        default="exact",
        show_default=True,
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
