"""``kerascnn train``: parse, one call, print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, console, print_json, quiet_tensorflow, tell
from kerascnn.cli.shared import check_data_is_there
from kerascnn.cli.shown_errors import INTERRUPTED, as_options, interruptible
from kerascnn.cli.train_options import config_options, groups
from kerascnn.cli.train_settings import (
    config_template,
    dump_option,
    given_options,
    train_config_option,
)
from kerascnn.files import write_bytes
from kerascnn.language import count, tr
from kerascnn.printable import command_line, printable

if TYPE_CHECKING:
    from kerascnn.card import ModelCard
    from kerascnn.report.content import Learning
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.lr_finder import Suggestion
    from kerascnn.training.run.folder import Run


@click.command("train", cls=Command, groups=groups())
@click.argument("data", default="fashion-mini")
@config_options
@train_config_option
@dump_option
@click.option(
    "--recipe",
    type=click.Choice(["best"]),
    help="best: option values that were tuned together, slower and more accurate than the "
    "defaults; options that are given override them. See docs/training.md.",
)
@click.option(
    "--find-lr",
    is_flag=True,
    help="Learning-rate range test: train nothing, plot the loss at increasing rates and suggest a "
    "--learning-rate.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    default="learning-rate.png",
    metavar="FILE",
    help="File of the plot of --find-lr.",
)
@click.option(
    "--distributed",
    metavar="HOST:PORT|auto",
    help="Train on several machines (JAX): the address at which rank 0 waits for the others. "
    "auto: taken from Slurm, Open MPI, Kubernetes, or JAX_COORDINATOR_ADDRESS and the like.",
)
@click.option("--processes", type=int, metavar="N", help="With --distributed: number of processes.")
@click.option(
    "--rank", type=int, metavar="I", help="With --distributed: rank of this process, from 0."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run in --out as if it had never stopped. Options may be left out; those "
    "given must match the run's. If there is no run yet, start one with DATA.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing run in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print the run and its metrics as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    recipe: str | None,
    resume: bool,
    overwrite: bool,
    find_lr: bool,
    plot: Path,
    as_json: bool,
    distributed: str | None,
    processes: int | None,
    rank: int | None,
    dump_config: bool,
    **_options: Any,
) -> None:
    """Train a classifier on the pictures in DATA.

    DATA is a folder of class folders (or one with train/ val/ test/ inside), a CSV file
    (path,label[,split]), a folder with IDX files, an .npz file (x_train, y_train, ...), or a
    built-in name; fashion-mini is 4,500 pictures of clothes.

    \b
    kerascnn train                                       # the built-in pictures
    kerascnn train flowers/ --model resnet50 --weights imagenet --phase head:3 --phase all:10
    kerascnn train flowers/ --out runs/flowers --epochs 30 --augment light
    kerascnn train flowers/ --recipe best                # slower and more accurate
    kerascnn train --out runs/flowers --resume           # after a crash or Ctrl-C
    kerascnn train --config run.yaml --epochs 20         # options from a file, overridden here
    kerascnn train flowers/ --model resnet18 --find-lr   # a plot and a suggested rate, no run
    """
    if find_lr and resume:
        raise click.UsageError("--find-lr creates no run: leave out --resume.")
    given = given_options(ctx, recipe, resume)
    if dump_config:
        click.echo(config_template(given), nl=False)
        return
    config = _config(given, resume)
    check_data_is_there(config.data, config.val)
    if find_lr:
        _find_rate(config, plot, as_json)
        return
    _print_result(_train(ctx, config, (distributed, processes, rank), resume, overwrite), as_json)


def _print_result(run: Run, as_json: bool) -> None:
    card = run.card
    if as_json:
        print_json({"run": str(run.folder), "model": str(run.model_path), "metrics": card.metrics})
        return
    tell(
        "{folder}: validation accuracy {top1} (epoch {epoch} kept)",
        folder=run.folder,
        top1=_accuracy(card),
        epoch=card.metrics["epoch"],
    )
    for line in filter(None, _next_steps(run, card)):
        click.echo(line)


def _accuracy(card: ModelCard) -> str:
    share = f"{card.metrics['val_top1']:.2%}"
    if "val_right" not in card.metrics:  # trained by an earlier version
        return share
    return tr(
        "{share}, {right} of {pictures}",
        share=share,
        right=f"{card.metrics['val_right']:,}",
        pictures=count(int(card.metrics["val_images"]), "picture"),
    )


def _train(
    ctx: click.Context,
    config: TrainConfig,
    processes: tuple[str | None, int | None, int | None],
    resume: bool,
    overwrite: bool,
) -> Run:
    """Train with a progress display; exit if interrupted, or if not rank 0 of a cluster."""
    tell("opening {data} …", data=printable(config.data), err=True)
    from kerascnn.training.keras_backend import check_installed, lean_import

    check_installed()
    from kerascnn.training.display.terminal import TrainingDisplay
    from kerascnn.training.distribution.processes import cluster_of
    from kerascnn.training.train import fit

    cluster = cluster_of(*processes)
    display = TrainingDisplay(console(stderr=True), as_options)
    try:
        with display, lean_import(), interruptible():
            run = fit(config, display, resume, cluster, overwrite)
    except KeyboardInterrupt:
        again = command_line(["kerascnn", "train", "--out", str(display.folder), "--resume"])
        click.echo(display.stopped(again), err=True)
        ctx.exit(INTERRUPTED)
    if cluster and cluster.rank:
        tell("rank {rank}: done; rank 0 has the run.", rank=cluster.rank)
        ctx.exit()
    return run


def _next_steps(run: Run, card: ModelCard) -> Iterator[str]:
    """Yield notes on the accuracy and the commands to run next; the caller omits empty ones."""
    from kerascnn.report.card_facts import learning_of
    from kerascnn.report.causes import inconclusive_note, leaked, not_learned

    learning = learning_of(card)
    if learning:
        yield leaked(learning.val_leaked, learning.val_images)
    if learning and not learning.has_learned:
        yield f"{_below_baseline(learning)} {not_learned(learning)}"
        return
    if run.exported != run:
        pictures = count(card.data["train"] + card.data["val"], "picture")
        yield tr(
            "For export, a second network has learned from all {pictures}; the accuracy is that of "
            "the first, which has not learned from the validation pictures.",
            pictures=pictures,
        )
    if learning and not learning.is_conclusive:
        yield inconclusive_note(learning.baseline)
        if card.data.get("test"):
            yield _next("evaluate", str(run.folder))
        return
    yield _next("export", str(run.folder), "--onnx")


def _next(*words: str) -> str:
    return tr("next: {command}", command=command_line(["kerascnn", *words]))


def _below_baseline(learning: Learning) -> str:
    return tr(
        "It has not learned: {right} of {images} validation pictures are classified correctly, "
        "and always predicting the most frequent class gives {naive}.",
        right=f"{learning.val_right:,}",
        images=f"{learning.val_images:,}",
        naive=f"{learning.val_largest:,}",
    )


def _config(given: dict[str, Any], resume: bool) -> TrainConfig:
    from kerascnn.training.config import TrainConfig
    from kerascnn.training.run.resume import resumed_config

    return resumed_config(given) if resume else TrainConfig(**given)


def _find_rate(config: TrainConfig, plot: Path, as_json: bool) -> None:
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
    _print_rate(found)
    tell("picture: {path}", path=plot)


def _print_rate(found: Suggestion) -> None:
    tell(
        "suggested: --learning-rate {rate}, a tenth of {lowest}, where the smoothed loss was "
        "lowest (it fell fastest at {steepest})",
        rate=f"{found.learning_rate:g}",
        lowest=f"{found.lowest:.2g}",
        steepest=f"{found.steepest:.2g}",
    )
    if not found.diverged:
        tell("the loss did not diverge: a higher rate may work too. See the plot.")
