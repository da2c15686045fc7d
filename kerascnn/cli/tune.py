"""``kerascnn tune``: parse, one call, print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, add_options, console, print_json, quiet_tensorflow, tell
from kerascnn.cli.declared_options import declared_option, grouped
from kerascnn.cli.shared import check_data_is_there, complete_networks
from kerascnn.cli.shown_errors import INTERRUPTED, as_options, interruptible
from kerascnn.cli.train_options import train_option
from kerascnn.files import write_bytes
from kerascnn.language import tr
from kerascnn.options import options_of

# Light: it needs neither Keras nor Optuna.
from kerascnn.training.tuning.request import SEARCH, Search  # noqa: TID253

if TYPE_CHECKING:
    from kerascnn.training.tuning.study import SearchResult

_SHARED = ("val", "image_size", "resize", "weights", "epochs", "batch_size", "device", "seed")
"""Options of ``train`` that apply to all trials."""

_SETTINGS = {"model": {"shell_complete": complete_networks}}
"""Click settings of further options."""


@click.command(
    "tune",
    cls=Command,
    of_train=("augment", "random_crop", "uncropped", "mixup", "cutmix"),
    groups=grouped(Search, {SEARCH: ("as_json",), "All trials": _SHARED}),
)
@click.argument("data", default="fashion-mini")
@add_options(
    *(declared_option(Search, name, **_SETTINGS.get(name, {})) for name in options_of(Search))
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@add_options(*map(train_option, _SHARED))
@click.pass_context
def command(ctx: click.Context, /, data: str, as_json: bool, **options: Any) -> None:
    """Search for the best network, learning rate, depth and augmentation for the pictures in DATA.

    The first trial has the settings that `kerascnn train` chooses; the others try something else.
    The score of a trial is its validation accuracy. A trial that is below the median of the earlier
    ones after a third of its epochs is stopped. Run the same command again to continue the study;
    several processes may share it.

    \b
    kerascnn tune flowers/ --time 2h
    kerascnn tune flowers/ --weights imagenet --model resnet50 --model resnet18 --time 8h
    """
    from kerascnn.training.config import TrainConfig

    shared = {name: options.pop(name) for name in _SHARED}
    given = {name: value for name, value in shared.items() if value is not None}
    config = TrainConfig(data=data, **given)
    asked = Search(config, **options)
    check_data_is_there(config.data, config.val)
    found = _search(ctx, asked)
    plot = _plot(found, Path(asked.out))
    if as_json:
        print_json({**asdict(found), "run": str(found.run), "plot": plot and str(plot)})
        return
    _print_result(found, plot)


def _search(ctx: click.Context, asked: Search) -> SearchResult:
    tell("loading Keras …", err=True)
    with quiet_tensorflow():
        from kerascnn.training.display.terminal import TrainingDisplay
        from kerascnn.training.tuning.study import search

    try:
        with TrainingDisplay(console(stderr=True), as_options) as display, interruptible():
            return search(asked, display)
    except KeyboardInterrupt:
        line = tr("Stopped. Run the same command again to continue the study.")
        click.echo(f"\n{line}", err=True)
        ctx.exit(INTERRUPTED)


def _plot(found: SearchResult, folder: Path) -> Path | None:
    if not found.importances:
        return None
    from kerascnn.report.png_figures import importances_png

    path = folder / "importances.png"
    write_bytes(path, importances_png(found.importances))
    return path


def _print_result(found: SearchResult, plot: Path | None) -> None:
    counts = (
        tr("{count} {state}", count=count, state=tr(state))
        for state, count in sorted(found.trials.items())
    )
    tell("trials: {counts}", counts=", ".join(counts))
    here = "" if found.run.is_dir() else tr(" (on {machine})", machine=found.machine)
    top1 = f"{found.val_top1:.2%}"
    tell("best: {run}{here}, validation accuracy {top1}", run=found.run, here=here, top1=top1)
    for line in _remarks(found):
        click.echo(line)
    tell("report: {path}", path=found.run / "report.html")
    tell("repeat: {command}", command=found.command)
    if plot:
        tell("what mattered: {plot}", plot=plot)


def _remarks(found: SearchResult) -> Iterator[str]:
    if not found.params:
        yield tr(
            "These are the settings that kerascnn train chooses by itself: no other trial is "
            "clearly better."
        )
    if found.within_chance:
        yield tr(
            "{others} of the other trials may be as good: {pictures} validation pictures "
            "cannot tell them apart.",
            others=found.within_chance,
            pictures=f"{found.pictures:,}",
        )
