"""Options of ``kerascnn train`` about the optimiser, and about the search for its rate.

Knows: names, defaults and help. Does not know what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias

import click

Decorator: TypeAlias = Callable[[Any], Any]

_OPTIMIZER: tuple[Decorator, ...] = (
    click.option(
        "--optimizer",
        type=click.Choice(["adamw", "sgd"]),
        default="adamw",
        show_default=True,
        help="sgd: with Nesterov's momentum of 0.9.",
    ),
    click.option(
        "--weight-decay",
        type=float,
        help="Times the learning rate in every step; not of biases and BatchNormalization.  "
        "[default: 0.05 for adamw, 0.005 for sgd]",
    ),
    click.option(
        "--clip-norm",
        type=float,
        help="Longest gradient, all weights together, e.g. 1.0.  [default: any]",
    ),
    click.option(
        "--schedule",
        type=click.Choice(["cosine", "one-cycle"]),
        default="cosine",
        show_default=True,
        help="Up in a line over a tenth (one-cycle: three tenths) of the steps, then down in a "
        "cosine.",
    ),
    click.option(
        "--ema",
        type=float,
        metavar="MOMENTUM",
        help="Validate and keep a moving average of the weights, e.g. 0.99.  "
        "[default: the weights]",
    ),
    click.option(
        "--accumulate",
        default=1,
        show_default=True,
        metavar="BATCHES",
        help="Gather the gradients of so many batches for one step: less memory than a large "
        "batch.",
    ),
)

_RATE: tuple[Decorator, ...] = (
    click.option(
        "--find-lr",
        is_flag=True,
        help="Train nothing; try rising rates, draw the loss and suggest a --learning-rate.",
    ),
    click.option(
        "--plot",
        type=click.Path(path_type=Path),
        default="learning-rate.png",
        show_default=True,
        metavar="FILE",
        help="Of --find-lr.",
    ),
)


def optimizer_options(command: Any) -> Any:
    """Add the options of the optimiser to a command, in the order in which they stand here."""
    return _with(_OPTIMIZER, command)


def rate_options(command: Any) -> Any:
    """Add the options of the learning-rate range test to a command."""
    return _with(_RATE, command)


def _with(options: tuple[Decorator, ...], command: Any) -> Any:
    return reduce(lambda made, option: option(made), reversed(options), command)
