"""``kerascnn tune``: parse, one call, print."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, add_options, console, print_json, quiet_tensorflow
from kerascnn.cli.completion import complete_networks
from kerascnn.cli.shared import check_data_is_there
from kerascnn.cli.shown_errors import INTERRUPTED, as_options
from kerascnn.cli.train_options import train_option
from kerascnn.errors import ConfigError
from kerascnn.files import write_bytes
from kerascnn.language import tr

if TYPE_CHECKING:
    from kerascnn.training.tuning.study import SearchResult

_SHARED = ("val", "image_size", "resize", "weights", "epochs", "batch_size", "device", "seed")
"""Options of ``train`` that apply to all trials."""


@click.command(
    "tune",
    cls=Command,
    of_train=("augment", "random_crop", "mixup", "cutmix"),
    groups={
        "Search": ("out", "time", "trials", "model", "storage", "as_json"),
        "All trials": _SHARED,
    },
)
@click.argument("data", default="fashion-mini")
@click.option(
    "--out",
    default="runs/tune",
    show_default=True,
    metavar="DIR",
    help="Folder of the study and of all runs.",
)
@click.option(
    "--time",
    default="30m",
    show_default=True,
    metavar="DURATION",
    help="How long this invocation may search.",
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    metavar="N",
    help="Maximum number of trials in this invocation.",
)
@click.option(
    "--model",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_networks,
    help="Network to try; may be repeated.  [default: cnn, cnn4 and resnet20; with --weights "
    "imagenet mobilenet_v3_large, efficientnet_b0 and resnet50]",
)
@click.option(
    "--storage",
    metavar="URL",
    help="Optuna storage that several machines share, e.g. postgresql://…  "
    "[default: study.db in --out]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@add_options(*map(train_option, _SHARED))
@click.pass_context
def command(
    ctx: click.Context,
    /,
    data: str,
    out: str,
    time: str,
    trials: int | None,
    model: tuple[str, ...],
    storage: str | None,
    as_json: bool,
    **options: Any,
) -> None:
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

    seconds = _seconds(time)
    given = {name: value for name, value in options.items() if value is not None}
    config = TrainConfig(data=data, **given)
    check_data_is_there(config.data, config.val)
    click.echo(tr("loading Keras …"), err=True)
    with quiet_tensorflow():
        from kerascnn.training.display.terminal import TrainingDisplay
        from kerascnn.training.tuning.study import Search, search

    asked = Search(config, Path(out), seconds, trials, model, storage)
    try:
        with TrainingDisplay(console(stderr=True), as_options) as display:
            found = search(asked, display)
    except KeyboardInterrupt:
        line = tr("Stopped. Run the same command again to continue the study.")
        click.echo(f"\n{line}", err=True)
        ctx.exit(INTERRUPTED)
    plot = _plot(found, Path(out))
    if as_json:
        print_json({**asdict(found), "run": str(found.run), "plot": plot and str(plot)})
        return
    _tell(found, plot)


def _seconds(time: str) -> float:
    from kerascnn.training.clock import seconds_of

    seconds = seconds_of(time)
    if seconds is None:
        raise ConfigError(f"`time` is {time!r}; expected a duration, e.g. 30m or 2h.")
    return seconds


def _plot(found: SearchResult, folder: Path) -> Path | None:
    if not found.importances:
        return None
    from kerascnn.report.png_figures import importances_png

    path = folder / "importances.png"
    write_bytes(path, importances_png(found.importances))
    return path


def _tell(found: SearchResult, plot: Path | None) -> None:
    counts = (
        tr("{count} {state}", count=count, state=tr(state))
        for state, count in sorted(found.trials.items())
    )
    click.echo(tr("trials: {counts}", counts=", ".join(counts)))
    here = "" if found.run.is_dir() else tr(" (on {machine})", machine=found.machine)
    top1 = f"{found.val_top1:.2%}"
    click.echo(
        tr("best: {run}{here}, validation accuracy {top1}", run=found.run, here=here, top1=top1)
    )
    if not found.params:
        click.echo(
            tr(
                "These are the settings that kerascnn train chooses by itself: no other trial is "
                "clearly better."
            )
        )
    if found.within_chance:
        click.echo(
            tr(
                "{others} of the other trials may be as good: {pictures} validation pictures "
                "cannot tell them apart.",
                others=found.within_chance,
                pictures=f"{found.pictures:,}",
            )
        )
    click.echo(tr("report: {path}", path=found.run / "report.html"))
    click.echo(tr("repeat: {command}", command=found.command))
    if plot:
        click.echo(tr("what mattered: {plot}", plot=plot))
