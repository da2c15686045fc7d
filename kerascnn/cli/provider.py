"""The options of every command that runs an exported file, and the line that says what runs.

Knows: Click. Does not know how a provider is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from kerascnn.inference.runtime.providers import ARITHMETICS, PROVIDERS

if TYPE_CHECKING:
    from kerascnn.inference import Classifier

_NUMERIC = (
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
        help="exact: float32. fast: the provider's bfloat16, TF32 or float16; some answers change.",
    ),
)

_OPTIONS = (
    *_NUMERIC,
    click.option(
        "--threads",
        type=int,
        help="Threads per inference; `predict` reads pictures with as many.  "
        "[default: the available processors]",
    ),
)


RUNTIME = ("provider", "arithmetic", "threads")
"""The options by the names of their parameters."""


def provider_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--provider``, ``--arithmetic`` and ``--threads`` to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def numeric_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--provider`` and ``--arithmetic`` to a command."""
    for option in reversed(_NUMERIC):
        function = option(function)
    return function


def announce(classifier: Classifier) -> None:
    """Print to stderr which provider runs, with which arithmetic, and why."""
    provider = classifier.provider
    click.echo(
        f"provider: {provider}, arithmetic {classifier.arithmetic} ({provider.why})", err=True
    )
