"""``kerascnn train --find-lr``: one call, plot, print."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kerascnn.cli.base import console, print_json, quiet_tensorflow, tell
from kerascnn.cli.shown_errors import as_options
from kerascnn.files import write_bytes

if TYPE_CHECKING:
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.lr_finder import Suggestion


def find_rate(config: TrainConfig, plot: Path, as_json: bool) -> None:
    """Run the learning-rate finder and print the suggestion."""
    with quiet_tensorflow():
        from kerascnn.training.display.terminal import TrainingDisplay
        from kerascnn.training.lr_finder import find_learning_rate
    from kerascnn.report.png_figures import range_test_png

    with TrainingDisplay(console(stderr=True), as_options) as display:
        found = find_learning_rate(config, display)
    marks = [
        ("suggested", found.learning_rate), ("lowest loss", found.lowest),
        ("steepest", found.steepest),
    ]  # fmt: skip
    write_bytes(plot, range_test_png(found.rates, found.losses, marks))
    if as_json:
        print_json({**asdict(found), "plot": str(plot)})
        return
    _print_result(found)
    tell("picture: {path}", path=plot)


def _print_result(found: Suggestion) -> None:
    tell(
        "suggested: --learning-rate {rate}, a tenth of {lowest}, where the smoothed loss was "
        "lowest (it fell fastest at {steepest})",
        rate=f"{found.learning_rate:g}",
        lowest=f"{found.lowest:.2g}",
        steepest=f"{found.steepest:.2g}",
    )
    if not found.diverged:
        tell("the loss did not diverge: a higher rate may work too. See the plot.")
